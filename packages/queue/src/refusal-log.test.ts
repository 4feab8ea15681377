import { describe, expect, it } from '@jest/globals';
import { createRefusalLog } from './refusal-log.js';
import { recordingLogger } from './test-support/queue-under-test.js';

function reply(message: string): Error {
  return Object.assign(new Error(message), { name: 'ReplyError' });
}

const readOnly = reply("READONLY You can't write against a read only replica.");
const full = reply("OOM command not allowed when used memory > 'maxmemory'.");

function refusalLog() {
  let now = 1_000_000;
  const inner = recordingLogger();
  const log = createRefusalLog({ logger: inner, nowMs: () => now });
  return { ...log, lines: inner.lines, wait: (ms: number) => void (now += ms) };
}

describe('the log of refusals', () => {
  it('has one line when a refusal begins, one every 30 s with a count, and one when it is over', () => {
    const { logger, noteWrite, lines, wait } = refusalLog();
    for (let n = 0; n < 1000; n += 1)
      logger.warn(n % 2 ? 'lane.error' : 'queue.task_failed', { error: readOnly });
    expect(lines).toEqual([
      {
        level: 'warn',
        event: 'queue.redis_refuses',
        fields: {
          code: 'READONLY',
          problem: 'Redis is a replica, which takes no writes. Name the master in REDIS_URL.',
          refused: 1,
          seconds: 0,
        },
      },
    ]);
    wait(29_999);
    logger.warn('lane.error', { error: readOnly });
    expect(lines).toHaveLength(1);
    wait(1);
    logger.warn('lane.error', { error: readOnly });
    expect(lines).toHaveLength(2);
    expect(lines[1]).toMatchObject({ event: 'queue.redis_refuses', fields: { refused: 1002, seconds: 30 } });
    wait(3_000);
    noteWrite();
    noteWrite();
    expect(lines.slice(2)).toEqual([
      {
        level: 'info',
        event: 'queue.redis_recovered',
        fields: { code: 'READONLY', refused: 1002, seconds: 33 },
      },
    ]);
    logger.warn('lane.error', { error: readOnly });
    expect(lines).toHaveLength(4);
  });

  it('is not over while some commands succeed and others are refused', () => {
    const { logger, noteWrite, lines, wait } = refusalLog();
    for (let n = 0; n < 20; n += 1) {
      logger.warn('lane.error', { error: full });
      wait(500);
      noteWrite();
    }
    expect(lines).toHaveLength(1);
  });

  it('distinguishes codes, also as a script of Redis 6 reports them', () => {
    const { logger, lines } = refusalLog();
    logger.warn('lane.error', { error: readOnly });
    logger.warn('lane.error', {
      error: reply(
        "ERR Error running script (call to f_12ab): @user_script:7: @user_script: 7: -OOM command not allowed when used memory > 'maxmemory'.",
      ),
    });
    expect(lines.map(({ fields }) => fields['code'])).toEqual(['READONLY', 'OOM']);
  });

  it.each([
    ['another reply', reply('ERR unknown command')],
    ['an error that is none of Redis', new Error('BUSY as a bee')],
    ['no error', undefined],
  ])('leaves %s as it is', (_name, error) => {
    const { logger, lines } = refusalLog();
    for (let n = 0; n < 2; n += 1) logger.warn('lane.error', { error, lane: 'a' });
    const line = { level: 'warn', event: 'lane.error', fields: { error, lane: 'a' } };
    expect(lines).toEqual([line, line]);
  });
});
