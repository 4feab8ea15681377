import { describe, expect, it } from '@jest/globals';

import { createLoadingCache } from './loading-cache.js';

describe('createLoadingCache', () => {
  it('lets all who ask meanwhile share one load, and keeps what it found', async () => {
    let loads = 0;
    const cache = createLoadingCache(10, async () => ({ load: ++loads }));
    const values = await Promise.all([cache.get('a'), cache.get('a'), cache.get('a')]);
    expect(values).toEqual([{ load: 1 }, { load: 1 }, { load: 1 }]);
    expect(await cache.get('a')).toEqual({ load: 1 });
  });

  it('asks again for what was not found, and after a failure', async () => {
    const answers = [
      async () => undefined,
      () => Promise.reject(new Error('down')),
      async () => ({ found: true }),
    ];
    const cache = createLoadingCache<object>(10, () => answers.shift()!());
    expect(await cache.get('a')).toBeUndefined();
    await expect(cache.get('a')).rejects.toThrow('down');
    expect(await cache.get('a')).toEqual({ found: true });
  });

  it('does not keep a value whose key was dropped while it was being loaded', async () => {
    let finish: (value: object) => void = () => undefined;
    let loads = 0;
    const cache = createLoadingCache<object>(10, () => {
      loads += 1;
      return loads === 1 ? new Promise((resolve) => (finish = resolve)) : Promise.resolve({ load: loads });
    });
    const first = cache.get('a');
    cache.drop('a');
    finish({ load: 1 });
    expect(await first).toEqual({ load: 1 });
    expect(await cache.get('a')).toEqual({ load: 2 });
    cache.clear();
    expect(await cache.get('a')).toEqual({ load: 3 });
  });
});
