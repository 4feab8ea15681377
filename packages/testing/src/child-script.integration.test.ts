import { describe, expect, it } from '@jest/globals';
import { startChildScript } from './child-script.js';

describe('startChildScript', () => {
  it('runs TypeScript sources in a process of its own until it is killed', async () => {
    const source = new URL('./wait-until.ts', import.meta.url).href;
    const script = startChildScript(`
      import { waitUntil } from '${source}';
      console.log(await waitUntil(() => 'ready'));
      console.log(process.pid);
      setInterval(() => undefined, 1_000);
    `);
    expect([await script.nextLine(), await script.nextLine()]).toEqual(['ready', String(script.pid)]);
    await script.kill('SIGKILL');
    expect(() => process.kill(script.pid, 0)).toThrow('ESRCH');
  });

  it('tells what a script that failed had to say', async () => {
    await expect(startChildScript(`throw new Error('no luck')`).nextLine()).rejects.toThrow('no luck');
  });
});
