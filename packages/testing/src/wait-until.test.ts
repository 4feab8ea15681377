import { describe, expect, it } from '@jest/globals';
import { waitUntil } from './wait-until.js';

describe('waitUntil', () => {
  it('gives the first truthy value, waiting through falsy values and errors', async () => {
    const answers = [() => 0, () => Promise.reject(new Error('not yet')), () => 'there'];
    expect(await waitUntil<string | number>(() => answers.shift()!(), { intervalMs: 1 })).toBe('there');
    expect(answers).toEqual([]);
  });

  it('names what it waited for and keeps the last error when time is up', async () => {
    const cause = new Error('still down');
    const waiting = waitUntil(() => Promise.reject(cause), {
      timeoutMs: 5,
      intervalMs: 1,
      what: 'the server',
    });
    await expect(waiting).rejects.toMatchObject({
      message: expect.stringContaining('the server did not'),
      cause,
    });
  });
});
