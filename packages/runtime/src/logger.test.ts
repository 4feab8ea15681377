import { Writable } from 'node:stream';
import { describe, expect, it } from '@jest/globals';
import { createLogger, type LogLevel } from './logger.js';

function collect(level: LogLevel = 'debug') {
  const written: string[] = [];
  const destination = new Writable({
    write(chunk: Buffer, _encoding, done) {
      written.push(chunk.toString());
      done();
    },
  });
  const logger = createLogger({ level, role: 'ingest', destination });
  const lines = () => written.map((line) => JSON.parse(line) as Record<string, unknown>);
  return { logger, lines, text: () => written.join('') };
}

describe('logger', () => {
  it('writes one JSON line per call, at once, with time, level, role, event name and fields', () => {
    const { logger, lines, text } = collect();
    logger.info('event.accepted', { customer_id: 'acme', deliveries: 2 });
    logger.error('sweep.failed');
    expect(text().split('\n')).toHaveLength(3);
    expect(lines()).toEqual([
      {
        time: expect.stringMatching(/^\d{4}-\d\d-\d\dT.*Z$/),
        level: 'info',
        role: 'ingest',
        msg: 'event.accepted',
        customer_id: 'acme',
        deliveries: 2,
      },
      { time: expect.any(String), level: 'error', role: 'ingest', msg: 'sweep.failed' },
    ]);
  });

  it.each([
    ['debug', ['debug', 'info', 'warn', 'error']],
    ['warn', ['warn', 'error']],
    ['silent', []],
  ] as const)('at level %s writes %j', (level, expected) => {
    const { logger, lines } = collect(level);
    for (const each of ['debug', 'info', 'warn', 'error'] as const) logger[each]('x');
    expect(lines().map((line) => line.level)).toEqual(expected);
  });

  it('writes an error with its code and the whole chain of causes, without the members that quote rows', () => {
    const { logger, lines } = collect();
    const row = Object.assign(new Error('duplicate key'), {
      code: '23505',
      detail: 'Failing row (acme, card)',
    });
    const cause = new Error('insert failed', { cause: new Error('batch failed', { cause: row }) });
    logger.error('accept.failed', { error: cause });
    expect(lines()[0]?.error).toMatchObject({
      name: 'Error',
      message: 'insert failed',
      stack: expect.stringContaining('logger.test'),
      cause: { message: 'batch failed', cause: { message: 'duplicate key', code: '23505' } },
    });
    expect(JSON.stringify(lines())).not.toContain('Failing row');
  });

  it('keeps its own fields when a caller uses their names', () => {
    const { logger, lines } = collect();
    logger.info('a.b', { msg: 'other', level: 'other' });
    expect(lines()[0]).toMatchObject({ msg: 'a.b', level: 'info', field_msg: 'other', field_level: 'other' });
  });

  it('never throws over what it was given', () => {
    const { logger, lines } = collect();
    const circular: Record<string, unknown> = {
      big: 12345678901234567890n,
      at: new Date(0),
      none: undefined,
    };
    circular.self = circular;
    logger.info('odd', { circular, bytes: Buffer.from('four'), gone: new Date(Number.NaN), run: () => 1 });
    expect(lines()[0]).toMatchObject({
      circular: { big: '12345678901234567890', at: '1970-01-01T00:00:00.000Z', self: '[circular]' },
      bytes: '[4 bytes]',
      gone: null,
      run: '[function]',
    });
  });
});
