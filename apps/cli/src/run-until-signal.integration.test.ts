import { startChildScript } from '@posthorn/testing';
import { describe, expect, it } from '@jest/globals';

const moduleUrl = new URL('./run-until-signal.ts', import.meta.url).href;
const runtimeUrl = new URL('../../../packages/runtime/src/index.ts', import.meta.url).href;

/** A process that opens `a` and `b`, and says what happens; `between` runs after `a`, `closeA` when it is closed. */
function program({
  between = '',
  closeA = '',
  level = 'silent',
  failure = 'undefined',
}: {
  between?: string;
  closeA?: string;
  level?: string;
  failure?: string;
}) {
  return startChildScript(`
    import { runUntilSignal } from '${moduleUrl}';
    import { createLogger, createShutdown } from '${runtimeUrl}';
    import { setTimeout as pause } from 'node:timers/promises';
    const logger = createLogger({ level: '${level}', role: 'test' });
    const shutdown = createShutdown(logger);
    const say = (text) => console.log(text);
    runUntilSignal({
      shutdown,
      logger,
      async start(signal) {
        shutdown.onClose('a', async () => { ${closeA}; say('closed a'); });
        say('opened a');
        ${between}
        signal.throwIfAborted();
        shutdown.onClose('b', () => say('closed b'));
        say('opened b');
      },
      failure: ${failure},
      startGraceMs: 100,
      abandon: async () => say('abandoned'),
    }).then(
      (code) => { say('exit ' + code); process.exit(code); },
      (error) => { say('threw ' + error.message); process.exit(1); },
    );
  `);
}

describe('A process that runs until a signal', () => {
  it.each(['SIGINT', 'SIGTERM', 'SIGHUP'] as const)(
    'closes what it opened in reverse order at %s, and ends with 0',
    async (signal) => {
      const child = program({});
      expect(await child.nextLine()).toBe('opened a');
      expect(await child.nextLine()).toBe('opened b');
      await child.kill(signal);
      expect([await child.nextLine(), await child.nextLine(), await child.nextLine()]).toEqual([
        'closed b',
        'closed a',
        'exit 0',
      ]);
    },
  );

  it('that gets a signal while it starts opens nothing more and closes what it had', async () => {
    const between = `
      const working = setInterval(() => undefined, 1000);
      await new Promise((resolve) => process.once('SIGTERM', resolve));
      clearInterval(working);`;
    const child = program({ between });
    expect(await child.nextLine()).toBe('opened a');
    await child.kill('SIGTERM');
    expect([await child.nextLine(), await child.nextLine()]).toEqual(['closed a', 'exit 0']);
  });

  it('whose start fails because it was cut off says so in one line, without a stack trace', async () => {
    const between = `
      const working = setInterval(() => undefined, 1000);
      await new Promise((resolve) => process.once('SIGTERM', resolve));
      clearInterval(working);
      throw new Error('the pool has ended');`;
    const child = program({ between, level: 'warn' });
    expect(await child.nextLine()).toBe('opened a');
    await child.kill('SIGTERM');
    const line = await child.nextLine();
    expect(JSON.parse(line)).toMatchObject({
      msg: 'startup.aborted',
      problem: 'the pool has ended',
    });
    expect(line).not.toContain('stack');
    expect([await child.nextLine(), await child.nextLine()]).toEqual(['closed a', 'exit 0']);
  });

  it('that cannot go on closes everything and says why', async () => {
    const child = program({
      failure: "new Promise((_, reject) => setTimeout(() => reject(new Error('gave up')), 50))",
    });
    const lines = [];
    for (let n = 0; n < 5; n += 1) lines.push(await child.nextLine());
    expect(lines).toEqual(['opened a', 'opened b', 'closed b', 'closed a', 'threw gave up']);
  });

  it('whose start hangs closes what it had all the same', async () => {
    const child = program({ between: 'await new Promise(() => undefined);' });
    expect(await child.nextLine()).toBe('opened a');
    await child.kill('SIGTERM');
    expect([await child.nextLine(), await child.nextLine()]).toEqual(['closed a', 'exit 0']);
  });

  it('whose start fails closes what it had and says why', async () => {
    const child = program({ between: "throw new Error('no luck');" });
    expect([await child.nextLine(), await child.nextLine(), await child.nextLine()]).toEqual([
      'opened a',
      'closed a',
      'threw no luck',
    ]);
  });

  it('takes two signals in a row, as npm and a terminal send them, for one', async () => {
    const child = program({ closeA: 'await pause(50)' });
    await child.nextLine();
    await child.nextLine();
    process.kill(child.pid, 'SIGINT');
    await child.kill('SIGINT');
    expect([await child.nextLine(), await child.nextLine(), await child.nextLine()]).toEqual([
      'closed b',
      'closed a',
      'exit 0',
    ]);
  });

  it('that hangs while stopping is abandoned at a later signal', async () => {
    const child = program({ closeA: 'await new Promise(() => undefined)' });
    await child.nextLine();
    await child.nextLine();
    process.kill(child.pid, 'SIGINT');
    expect(await child.nextLine()).toBe('closed b');
    const again = setInterval(() => process.kill(child.pid, 'SIGINT'), 200);
    expect(await child.nextLine()).toBe('abandoned');
    clearInterval(again);
    await child.kill('SIGKILL');
  });
});
