import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { startChildScript, testRedis, waitUntil, type TestRedis } from '@posthorn/testing';
import type { DeliveryJob } from '../delivery-job.js';
import type { DispatcherOptions } from '../dispatcher-options.js';
import {
  deliveryJob,
  gate,
  newId,
  quickly,
  queueUnderTest,
  type QueueUnderTest,
} from '../test-support/queue-under-test.js';

const done = { kind: 'done' } as const;
const inFlightMax = 1;

describe('workers that share the load', () => {
  let shared: TestRedis;
  let queue: QueueUnderTest;
  let traffic: ReturnType<typeof steadyTraffic>;
  beforeEach(async () => {
    shared = testRedis();
    queue = await queueUnderTest(shared);
  });
  afterEach(async () => {
    await traffic.end();
    await queue.close();
    await shared.drop();
  });

  /** Adds jobs for one customer after another until it is ended: 100 each second on a machine that is quick enough. */
  function steadyTraffic(customers: readonly { customerId: string; endpointId: string }[]) {
    const jobs: DeliveryJob[] = [];
    const ended = new AbortController();
    const running = (async () => {
      while (!ended.signal.aborted) {
        const some = Array.from({ length: 5 }, (_, n) =>
          deliveryJob(customers[(jobs.length + n) % customers.length]),
        );
        jobs.push(...some);
        await queue.producer.enqueue(some);
        await pause(50);
      }
    })();
    return {
      jobs,
      end: async () => {
        ended.abort();
        await running;
      },
    };
  }

  const customersOf = (count: number) =>
    Array.from({ length: count }, (_, n) => ({ customerId: `c-${n}`, endpointId: newId() }));

  /** Counts for all workers of a test together, so that what two of them do at once shows. */
  function observer() {
    const runs = new Map<string, string[]>();
    const inFlight = new Map<string, number>();
    const owners = new Map<string, Set<string>>();
    let mostInFlight = 0;
    return {
      runs,
      owners,
      mostInFlight: () => mostInFlight,
      by: (worker: string) => [...runs.values()].filter((workers) => workers[0] === worker).length,
      as(worker: string, ms = 10): Pick<DispatcherOptions, 'handle' | 'laneLimits'> {
        return {
          laneLimits: async () => ({ customerMaxInFlight: inFlightMax, endpointMaxInFlight: inFlightMax }),
          handle: async ({ customerId, deliveryId }) => {
            const now = (inFlight.get(customerId) ?? 0) + 1;
            inFlight.set(customerId, now);
            mostInFlight = Math.max(mostInFlight, now);
            runs.set(deliveryId, [...(runs.get(deliveryId) ?? []), worker]);
            owners.set(customerId, (owners.get(customerId) ?? new Set()).add(worker));
            await pause(ms);
            inFlight.set(customerId, inFlight.get(customerId)! - 1);
            return done;
          },
        };
      },
    };
  }

  const roundsLogged = () => queue.logger.lines.filter(({ event }) => event === 'lease.handed_over');

  it('give a newcomer its part at once, lose nothing, run nothing twice, exceed no cap, and then leave it at that', async () => {
    const seen = observer();
    // In pairs: while one is being sent the other waits, so that a new owner who came too early would send both.
    traffic = steadyTraffic(customersOf(20).flatMap((customer) => [customer, customer]));
    const first = await queue.dispatch(seen.as('first', 150));
    await waitUntil(() => seen.runs.size > 200);
    const second = await queue.dispatch(seen.as('second', 150));
    await waitUntil(() => first.stats().handedOver >= 7);
    await waitUntil(() => seen.by('second') > 0);
    // Window by window, until one shows an even split: a slow machine may take a few rounds to it.
    let share = 0;
    for (let window = 0; window < 10 && (share < 0.35 || share > 0.65); window += 1) {
      const [byFirst, bySecond] = [seen.by('first'), seen.by('second')];
      await waitUntil(() => seen.runs.size > byFirst + bySecond + 400, { timeoutMs: 30_000 });
      share = (seen.by('second') - bySecond) / (seen.runs.size - byFirst - bySecond);
    }
    expect(share).toBeGreaterThan(0.35);
    expect(share).toBeLessThan(0.65);
    await traffic.end();
    await waitUntil(() => seen.runs.size === traffic.jobs.length);
    // Twenty customers, ten of which belong to the other: none of them goes to and fro.
    expect(first.stats().handedOver + second.stats().handedOver).toBeLessThan(20);
    expect([...seen.runs.values()].filter((workers) => workers.length > 1)).toEqual([]);
    expect(seen.mostInFlight()).toBeLessThanOrEqual(inFlightMax);
    expect(roundsLogged()[0]).toMatchObject({ level: 'info', fields: { workers: 1 } });
    await waitUntil(async () => (await queue.keys()).length === 0);
  });

  it('never hand over a customer with an endpoint that hangs, though it is half of the load', async () => {
    const seen = observer();
    const hold = gate();
    const [mixed, hangs] = [newId(), newId()];
    const others = customersOf(6);
    const laneLimits = async () => ({ customerMaxInFlight: 4, endpointMaxInFlight: 2 });
    const as = (worker: string): Pick<DispatcherOptions, 'handle' | 'laneLimits'> => {
      const observed = seen.as(worker);
      return {
        laneLimits,
        handle: async (job, signal, waitForRateLimit) => {
          if (job.endpointId === hangs) await hold.opened;
          return observed.handle(job, signal, waitForRateLimit);
        },
      };
    };
    // Half of the load is one customer's quick endpoint.
    traffic = steadyTraffic(others.flatMap((other) => [other, { customerId: 'mixed', endpointId: mixed }]));
    const first = await queue.dispatch(as('first'));
    await queue.producer.enqueue([deliveryJob({ customerId: 'mixed', endpointId: hangs })]);
    await waitUntil(() => first.stats().inFlight > 0);
    // As long as it counts as brief it would be as good as the others.
    await waitUntil(() => seen.runs.size > 200, { timeoutMs: 30_000 });
    await queue.dispatch(as('second'));
    await waitUntil(() => first.stats().handedOver === others.length, { timeoutMs: 30_000 });
    const ran = seen.runs.size;
    await waitUntil(() => seen.runs.size > ran + 200, { timeoutMs: 30_000 });
    expect([...seen.owners.get('mixed')!]).toEqual(['first']);
    expect(first.stats().handedOver).toBe(others.length);
    hold.open();
    await traffic.end();
    await waitUntil(() => seen.runs.size === traffic.jobs.length + 1);
  });

  it('wait no longer for a worker that died than the time for which customers are reserved', async () => {
    const seen = observer();
    traffic = steadyTraffic(customersOf(10));
    const first = await queue.dispatch({ ...seen.as('first'), leaseMs: 60_000 });
    await waitUntil(() => seen.runs.size > 100);
    const script = startChildScript(`
      import { createDispatcher } from '${new URL('../dispatcher.ts', import.meta.url).href}';
      const logger = { debug() {}, info() {}, warn() {}, error() {} };
      const dispatcher = createDispatcher({
        ...${JSON.stringify({ ...quickly, leaseMs: 60_000 })},
        redisUrl: '${shared.url}',
        prefix: '${shared.prefix}',
        workerId: 'doomed',
        logger,
        laneLimits: async () => ({ customerMaxInFlight: 2, endpointMaxInFlight: 2 }),
        handle: () => new Promise(() => {}),
      });
      await dispatcher.start();
      console.log('started');
    `);
    try {
      expect(await script.nextLine()).toBe('started');
    } finally {
      await script.kill('SIGKILL');
    }
    // Heard of a last time.
    await queue.redis.hset(`${shared.prefix}:index:loads`, 'doomed', `${Date.now()}:0.00`);
    await waitUntil(() => first.stats().handedOver > 0);
    const handed = first.stats().handedOver;
    await waitUntil(() => first.stats().claimed >= 10 + handed);
    await traffic.end();
    await waitUntil(() => seen.runs.size === traffic.jobs.length);
    expect([...seen.runs.values()].filter((workers) => workers.length > 1)).toEqual([]);
  });

  /** Six customers with traffic, each with a lane that opens when `hold` does, on two workers: one had them all before. */
  async function giveAwayWhileOpening() {
    const seen = observer();
    const hold = gate();
    const customers = customersOf(6);
    const slow = customers.map(({ customerId }) => ({ customerId, endpointId: newId() }));
    traffic = steadyTraffic(customers);
    const first = await queue.dispatch({
      ...seen.as('first'),
      laneLimits: async (_customerId, endpointId) => {
        if (slow.some((endpoint) => endpoint.endpointId === endpointId)) await hold.opened;
        return { customerMaxInFlight: 2, endpointMaxInFlight: 1 };
      },
    });
    await queue.producer.enqueue(slow.map((endpoint) => deliveryJob(endpoint)));
    await waitUntil(() => seen.runs.size > 100);
    const second = await queue.dispatch(seen.as('second'));
    return { seen, hold, customers, slow, first, second };
  }

  it('serve again a customer that they gave away while a lane of its was about to open', async () => {
    const { seen, hold, slow, first, second } = await giveAwayWhileOpening();
    await waitUntil(() => first.stats().handedOver > 0 && seen.by('second') > 0);
    await second.stop({ deadlineMs: 10_000 });
    const added = traffic.jobs.length;
    await waitUntil(() => traffic.jobs.length > added + 30);
    await traffic.end();
    await waitUntil(() => traffic.jobs.every(({ deliveryId }) => seen.runs.has(deliveryId)));
    hold.open();
    await waitUntil(() => seen.runs.size === traffic.jobs.length + slow.length);
    expect(first.stats().leasesLost).toBe(0);
    await waitUntil(() => first.stats().customers === 0);
  });

  it('forget a customer that they gave away as soon as the lane that was about to open has not', async () => {
    const { hold, customers, first, second } = await giveAwayWhileOpening();
    await waitUntil(() => first.stats().handedOver > 0 && second.stats().customers > 0);
    hold.open();
    await waitUntil(() => first.stats().customers + second.stats().customers === customers.length);
  });

  it('go on with a customer whose endpoint begins to hang just when it is handed over', async () => {
    const seen = observer();
    const hold = gate();
    let hanging = false;
    const [quick, hangs] = [newId(), newId()];
    const observed = seen.as('first');
    traffic = steadyTraffic([
      { customerId: 'mixed', endpointId: quick },
      { customerId: 'mixed', endpointId: hangs },
      { customerId: 'other', endpointId: newId() },
    ]);
    const first = await queue.dispatch({
      laneLimits: async () => ({ customerMaxInFlight: 8, endpointMaxInFlight: 2 }),
      leaseMs: 60_000,
      balanceMs: 50,
      handle: async (job, signal, waitForRateLimit) => {
        if (hanging && job.endpointId === hangs) await hold.opened;
        return observed.handle(job, signal, waitForRateLimit);
      },
    });
    await waitUntil(() => seen.runs.size > 150);
    hanging = true;
    // A worker that carries nothing is heard of while what hangs has not been noticed yet. It never claims anything.
    await queue.redis.hset(`${shared.prefix}:index:loads`, 'ghost', `${Date.now()}:0.00`);
    await waitUntil(() => roundsLogged().some(({ fields }) => fields['kept'] === 1));
    expect(first.stats().inFlight).toBeGreaterThan(0);
    const before = traffic.jobs.length;
    await waitUntil(() => traffic.jobs.length > before + 60);
    await waitUntil(() =>
      traffic.jobs
        .slice(0, before + 60)
        .every(({ endpointId, deliveryId }) => endpointId === hangs || seen.runs.has(deliveryId)),
    );
    hold.open();
    await traffic.end();
    await waitUntil(() => seen.runs.size === traffic.jobs.length, { timeoutMs: 20_000 });
    expect([...seen.runs.values()].filter((workers) => workers.length > 1)).toEqual([]);
  });
});

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
