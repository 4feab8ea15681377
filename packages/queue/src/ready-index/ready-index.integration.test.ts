import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { testRedis, waitUntil, type TestRedis } from '@posthorn/testing';
import { Redis } from 'ioredis';
import { ReadyIndex, ownerChannel, wakeChannel } from './ready-index.js';

const lane = 'acme/ep_1';

describe('the ready index', () => {
  let shared: TestRedis;
  let redis: Redis;
  let listener: Redis;
  let index: ReadyIndex;
  let heard: [string, string][];

  beforeEach(async () => {
    shared = testRedis();
    redis = new Redis(shared.url);
    listener = new Redis(shared.url);
    index = new ReadyIndex(redis, shared.prefix);
    heard = [];
    listener.on('message', (channel: string, message: string) => heard.push([channel, message]));
    await listener.subscribe(wakeChannel(shared.prefix), ownerChannel(shared.prefix, 'w1'));
  });
  afterEach(async () => {
    await shared.drop();
    redis.disconnect();
    listener.disconnect();
  });

  const key = (type: string) => `${shared.prefix}:${lane}:${type}`;
  const readyKey = () => `${shared.prefix}:index:ready`;
  const announce = (lanes: Record<string, number> = { [lane]: 0 }, customerId = 'acme') =>
    index.announce([{ customerId, lanes: new Map(Object.entries(lanes)) }]);
  const claim = (workerId = 'w1', leaseMs = 60_000) => index.claim(workerId, { leaseMs, limit: 100 });
  const score = async (customerId = 'acme') => {
    const text = await redis.zscore(readyKey(), customerId);
    return text === null ? null : Number(text) - (await index.nowMs());
  };
  const keys = () => redis.keys(`${shared.prefix}*`);

  it('gives a due customer to one worker, with the lanes that hold anything and what they hold', async () => {
    await redis.lpush(key('wait'), 'd-1');
    await redis.lpush(`${shared.prefix}:acme/ep_2:active`, 'd-2');
    await redis.set(`${shared.prefix}:acme/ep_2:d-2:lock`, 'token', 'PX', 30_000);
    await redis.zadd(`${shared.prefix}:acme/ep_3:delayed`, (Date.now() + 90_000) * 4096, 'd-3');
    await announce({ [lane]: 0, 'acme/ep_2': 0, 'acme/ep_3': 0, 'acme/ep_4': 0 });
    const { customers } = await claim();
    expect(customers).toHaveLength(1);
    const states = new Map(customers[0]!.lanes.map((state) => [state.lane, state]));
    expect([...states.keys()].sort()).toEqual([lane, 'acme/ep_2', 'acme/ep_3']);
    expect(states.get(lane)).toMatchObject({ dueInMs: 0, active: 0 });
    expect(states.get('acme/ep_2')!.active).toBe(1);
    expect(states.get('acme/ep_2')!.dueInMs).toBeGreaterThan(29_000);
    expect(states.get('acme/ep_3')!.dueInMs).toBeGreaterThan(88_000);
    expect(await claim('w2')).toMatchObject({ customers: [] });
  });

  it('claims no customer that is not due, and writes the right time for one that only seemed to be', async () => {
    await redis.zadd(key('delayed'), (Date.now() + 20_000) * 4096, 'd-1');
    await announce();
    const { customers, nextDueInMs } = await claim();
    expect(customers).toEqual([]);
    expect(nextDueInMs).toBeGreaterThan(18_000);
    expect(await score()).toBeGreaterThan(18_000);
  });

  it('hands a customer on when its lease ends, under a higher fencing number, and the first owner learns it', async () => {
    await redis.lpush(key('wait'), 'd-1');
    await announce();
    const [first] = (await claim('w1', 40)).customers;
    const second = await waitUntil(async () => (await claim('w2')).customers[0]);
    expect(BigInt(second.fence)).toBeGreaterThan(BigInt(first!.fence));
    expect(await index.renew('w1', 60_000, [first!])).toEqual(['acme']);
    expect(await index.release('w1', { mode: 'always', dueSoonMs: 0 }, [first!])).toEqual(['not ours']);
    expect(await index.renew('w2', 60_000, [second])).toEqual([]);
    expect(await score()).toBeGreaterThan(59_000);
  });

  it('passes an announcement to the owner and leaves its lease alone, whether or not it listens', async () => {
    await redis.lpush(key('wait'), 'd-1');
    await announce();
    const [lease] = (await claim('w1')).customers;
    heard.length = 0;
    await announce({ [lane]: 0, 'acme/ep_2': 1500 });
    await waitUntil(() => heard.length > 0);
    expect(heard).toEqual([[ownerChannel(shared.prefix, 'w1'), `${lane} 0\nacme/ep_2 1500`]]);
    await listener.unsubscribe();
    await announce();
    expect(await score()).toBeGreaterThan(59_000);
    expect((await claim('w2')).customers).toEqual([]);
    expect(await index.renew('w1', 60_000, [lease!])).toEqual([]);
  });

  it('wakes all workers once per call for customers without an owner, and only when one is due sooner', async () => {
    await index.announce(
      ['a', 'b', 'c'].map((customerId, n) => ({
        customerId,
        lanes: new Map([[`${customerId}/ep_1`, 700 + n]]),
      })),
    );
    await announce({ 'a/ep_1': 900 }, 'a');
    await announce({ 'a/ep_1': 100 }, 'a');
    await waitUntil(() => heard.length >= 2);
    expect(heard.map(([, message]) => message)).toEqual(['700', '100']);
    expect(await score('a')).toBeLessThanOrEqual(100);
  });

  it('releases a customer with nothing, and leaves no key of it', async () => {
    await redis.lpush(key('wait'), 'd-1');
    await announce();
    const [lease] = (await claim()).customers;
    await redis.del(key('wait'));
    await redis.mset(key('id'), '7', key('pc'), '1', key('stalled-check'), '1');
    await redis.zadd(key('marker'), 0, '0');
    await redis.xadd(key('events'), '*', 'event', 'drained');
    expect(await index.release('w1', { mode: 'if-idle', dueSoonMs: 5000 }, [lease!])).toEqual(['released']);
    expect(await keys()).toEqual([]);
  });

  it('keeps a customer with something due soon, and releases one with something due later at that time', async () => {
    await redis.lpush(key('wait'), 'd-1');
    await announce();
    const [lease] = (await claim()).customers;
    await redis.del(key('wait'));
    await redis.zadd(key('delayed'), (Date.now() + 3_000) * 4096, 'd-1');
    const [kept] = await index.release('w1', { mode: 'if-idle', dueSoonMs: 5000 }, [lease!]);
    expect(kept).toMatchObject({ kept: [{ lane, active: 0 }] });
    expect(await score()).toBeGreaterThan(50_000);
    expect(await index.release('w1', { mode: 'if-idle', dueSoonMs: 1000 }, [lease!])).toEqual(['released']);
    const dueIn = await score();
    expect(dueIn).toBeGreaterThan(1000);
    expect(dueIn).toBeLessThanOrEqual(3000);
    await waitUntil(() => heard.some(([, message]) => Number(message) > 1000 && Number(message) <= 3000));
  });

  it('never forgets a lane with an active job: it comes due when the job’s lock ends', async () => {
    await redis.lpush(key('wait'), 'd-1');
    await announce();
    const [lease] = (await claim()).customers;
    await redis.rename(key('wait'), key('active'));
    await redis.set(key('d-1:lock'), 'token', 'PX', 20_000);
    expect(await index.release('w1', { mode: 'if-idle', dueSoonMs: 5000 }, [lease!])).toEqual(['released']);
    expect(await score()).toBeGreaterThan(18_000);
    expect(await redis.smembers(`${shared.prefix}:index:lanes:acme`)).toEqual([lane]);
    await redis.del(key('d-1:lock'));
    await announce();
    expect((await claim()).customers).toMatchObject([{ lanes: [{ lane, dueInMs: 0, active: 1 }] }]);
  });

  it('releases what is due at once in the mode always', async () => {
    await redis.lpush(key('wait'), 'd-1');
    await announce();
    const [lease] = (await claim()).customers;
    expect(await index.release('w1', { mode: 'always', dueSoonMs: 0 }, [lease!])).toEqual(['released']);
    expect((await claim('w2')).customers).toMatchObject([{ customerId: 'acme' }]);
  });

  it('parks a closed lane: its next due time, or its leftovers are gone', async () => {
    await announce({ [lane]: 0, 'acme/ep_2': 0 });
    await redis.zadd(key('delayed'), (Date.now() + 60_000) * 4096, 'd-1');
    const [due, nothing] = await index.closeLanes([
      { customerId: 'acme', lane },
      { customerId: 'acme', lane: 'acme/ep_2' },
    ]);
    expect(due).toBeGreaterThan(58_000);
    expect(nothing).toBeNull();
    expect(await redis.smembers(`${shared.prefix}:index:lanes:acme`)).toEqual([lane]);
    expect((await keys()).filter((name) => name.includes('ep_2'))).toEqual([]);
  });

  it('looks at a lane that someone paused again after some seconds, not all the time', async () => {
    await redis.lpush(key('wait'), 'd-1');
    await announce();
    await redis.hset(key('meta'), 'paused', '1');
    expect((await claim()).customers).toEqual([]);
    expect(await score()).toBeGreaterThan(4000);
    expect(await score()).toBeLessThanOrEqual(5000);
  });

  it('offers a customer to one worker: it gets a message, the others when the offer ends, and only it can claim before', async () => {
    await redis.lpush(key('wait'), 'd-1');
    await announce();
    const [lease] = (await claim('w2')).customers;
    heard.length = 0;
    const offer = { toWorkerId: 'w1', forMs: 60_000 };
    expect(await index.release('w2', { mode: 'always', dueSoonMs: 0, offer: offer }, [lease!])).toEqual([
      'released',
    ]);
    await waitUntil(() => heard.length >= 2);
    expect(heard).toEqual([
      [ownerChannel(shared.prefix, 'w1'), 'offer acme'],
      [wakeChannel(shared.prefix), '60000'],
    ]);
    expect((await claim('w3')).customers).toEqual([]);
    const asked = { leaseMs: 60_000, limit: 100, offered: ['acme', 'nobody'] };
    expect((await index.claim('w3', asked)).customers).toEqual([]);
    // What is announced meanwhile reaches the worker that will have the customer, and ends no offer.
    await announce({ 'acme/ep_2': 0 });
    await waitUntil(() => heard.length >= 3);
    expect(heard[2]).toEqual([ownerChannel(shared.prefix, 'w1'), 'acme/ep_2 0']);
    expect(await score()).toBeGreaterThan(50_000);
    const [taken] = (await index.claim('w1', asked)).customers;
    expect(taken).toMatchObject({ customerId: 'acme', lanes: [{ lane }] });
    expect(BigInt(taken!.fence)).toBeGreaterThan(BigInt(lease!.fence));
    expect(await index.renew('w2', 60_000, [lease!])).toEqual(['acme']);
    expect(await index.release('w2', { mode: 'always', dueSoonMs: 0, offer: offer }, [lease!])).toEqual([
      'not ours',
    ]);
    expect(await index.renew('w1', 60_000, [taken!])).toEqual([]);
  });

  it('gives a customer that was offered in vain to any worker', async () => {
    await redis.lpush(key('wait'), 'd-1');
    await announce();
    const [lease] = (await claim('w2')).customers;
    await index.release('w2', { mode: 'always', dueSoonMs: 0, offer: { toWorkerId: 'w1', forMs: 40 } }, [
      lease!,
    ]);
    const taken = await waitUntil(async () => (await claim('w3')).customers[0]);
    expect(taken.customerId).toBe('acme');
    // The offer comes too late, and takes nothing from its owner.
    const asked = { leaseMs: 60_000, limit: 100, offered: ['acme'] };
    expect((await index.claim('w1', asked)).customers).toEqual([]);
  });

  it('offers nothing that is not due: such a customer is released, or gone with all its keys', async () => {
    const offer = { toWorkerId: 'w1', forMs: 500 };
    await redis.lpush(key('wait'), 'd-1');
    await announce();
    const [first] = (await claim('w2')).customers;
    await redis.del(key('wait'));
    await redis.zadd(key('delayed'), (Date.now() + 60_000) * 4096, 'd-1');
    expect(await index.release('w2', { mode: 'always', dueSoonMs: 0, offer: offer }, [first!])).toEqual([
      'released',
    ]);
    expect(await redis.hlen(`${shared.prefix}:index:owner`)).toBe(0);
    expect(await score()).toBeGreaterThan(50_000);
    await redis.rename(key('delayed'), key('gone'));
    await redis.lpush(key('wait'), 'd-1');
    await announce();
    const [second] = (await claim('w2')).customers;
    await redis.del(key('gone'), key('wait'));
    expect(await index.release('w2', { mode: 'always', dueSoonMs: 0, offer: offer }, [second!])).toEqual([
      'released',
    ]);
    expect(await keys()).toEqual([]);
  });

  it('knows what the workers carry that are alive, and forgets those that stopped or fell silent', async () => {
    const loads = async (workerId: string, load: number, aliveMs = 60_000) =>
      Object.fromEntries(
        (await index.reportLoad(workerId, load, aliveMs)).map((of) => [of.workerId, of.load]),
      );
    expect(await loads('w1', 12.345)).toEqual({ w1: 12.35 });
    expect(await loads('w2', 0)).toEqual({ w1: 12.35, w2: 0 });
    expect(await loads('w1', 3)).toEqual({ w1: 3, w2: 0 });
    await index.withdrawLoad('w2');
    expect(await loads('w1', 3)).toEqual({ w1: 3 });
    await loads('w3', 1);
    await waitUntil(async () => !('w3' in (await loads('w1', 3, 20))), { intervalMs: 5 });
    await waitUntil(async () => (await keys()).length === 0);
  });

  it('keeps every key in one slot of a cluster', async () => {
    await redis.lpush(key('wait'), 'd-1');
    await index.reportLoad('w1', 1, 60_000);
    await announce();
    await claim();
    for (const name of await keys()) expect(name.startsWith(`${shared.prefix}:`)).toBe(true);
    expect(shared.prefix).toMatch(/^\{.+\}$/);
  });
});
