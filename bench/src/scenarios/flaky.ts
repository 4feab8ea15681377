import { findFreePort } from '@posthorn/embedded';
import { setTimeout as pause } from 'node:timers/promises';

import { inParallel } from '../frame/in-parallel.js';
import { startPosthorn, type Posthorn } from '../frame/posthorn.js';
import type { FlakyFailure } from '../frame/receiver.js';
import { runScenario } from '../frame/run-scenario.js';
import { openStage, type Stage } from '../frame/stage.js';
import { atLeast, atMost, rounded } from '../frame/target.js';
import { addCustomers } from '../start-contestants.js';

const BREAKER_OFF = new URL('./breaker-off.js', import.meta.url).href;
const TIMEOUT_MS = 1_500;
const SHARES = [0.1, 0.2, 0.4, 0.6, 0.8];
const KINDS: readonly FlakyFailure[] = ['500', 'reset', 'timeout'];
const POLICY = { delaysSeconds: [1, 2, 4, 8, 16], maxAttempts: 20, jitter: 0.2 };
/** Of a backlog: two at once, a second each. */
const BACKLOG = { share: [0.2, 0.5, 0.8], maxInFlight: 2, afterMs: 1_000, sendsPerSecond: 2 };
const DEAD: readonly (FlakyFailure | 'refused')[] = ['500', 'reset', 'timeout', 'refused'];
const DEAD_IN_FLIGHT = 10;
const RECOVERY = { downSeconds: 40, ratePerSecond: 5 };

interface Cell {
  name: string;
  load: 'steady' | 'backlog';
  failure: FlakyFailure;
  share: number;
}

const cells: readonly Cell[] = [
  ...KINDS.flatMap((failure) =>
    SHARES.map((share) => ({
      name: `steady-${failure}-${share * 10}`,
      load: 'steady' as const,
      failure,
      share,
    })),
  ),
  ...BACKLOG.share.map((share) => ({
    name: `backlog-500-${share * 10}`,
    load: 'backlog' as const,
    failure: '500' as const,
    share,
  })),
];

await runScenario({
  name: 'flaky',
  about:
    'endpoints that fail a share of requests at random, beside the same worker with its circuit breakers off; dead ones; one that recovers',
  minutesMax: ({ seconds }) => 4 + (2 * seconds) / 60,
  settings: {
    /** How long events come, and what is delivered then counts. */
    seconds: { long: 300, short: 60 },
    /** For each kind of failure and share. */
    endpoints: { long: 12, short: 4 },
    partitions: { long: 3, short: 3 },
  },
  async run({ settings: { seconds, endpoints, partitions }, say, onEnd }) {
    const open = async (env: Record<string, string>) => {
      const stage = await openStage();
      onEnd(stage.stop);
      const posthorn = await startPosthorn(stage, {
        partitionDays: partitions,
        env: { ...env, POSTHORN_TIMEOUT_MS: String(TIMEOUT_MS) },
      });
      return { stage, posthorn };
    };
    const on = await open({});
    const off = await open({ NODE_OPTIONS: `--import=${BREAKER_OFF}` });
    say(`Both at once, ${seconds} s; a send times out after ${TIMEOUT_MS} ms.`);
    const [withBreaker, without, dead, recovery] = await Promise.all([
      runCells(on, seconds, endpoints),
      runCells(off, seconds, endpoints),
      runDead(on, seconds),
      runRecovery(on),
    ]);

    const rows = cells.map(({ name, load, failure, share }) => {
      const [delivered, deliveredWithout] = [withBreaker[name] ?? 0, without[name] ?? 0];
      return { load, failure, share, delivered, deliveredWithout, ratio: delivered / deliveredWithout };
    });
    const all = (of: typeof rows, key: 'delivered' | 'deliveredWithout') =>
      of.reduce((sum, row) => sum + row[key], 0);
    const goodput = (load: Cell['load'], share: number) => {
      const of = rows.filter((row) => row.load === load && row.share === share);
      const name = `${load}, ${100 * share} % fail: delivered, as a share of that with the breaker off`;
      return atLeast(name, all(of, 'delivered') / all(of, 'deliveredWithout'), 0.8);
    };
    return {
      lost: [],
      targets: [
        ...SHARES.map((share) => goodput('steady', share)),
        ...BACKLOG.share.map((share) => goodput('backlog', share)),
        ...dead.map(({ failure, sends, before }) =>
          atMost(`sends to a dead endpoint (${failure}) in ${seconds} s; by the rule before`, sends, before),
        ),
        atMost('recovered: s from the first delivery to the last of the backlog', recovery.seconds, 10),
      ],
      tables: [
        {
          title: `Delivered in ${seconds} s`,
          columns: ['load', 'failure', 'share that fails', 'delivered', 'breaker off', 'ratio'],
          rows: rows.map((row) => [
            row.load,
            row.failure,
            row.share,
            row.delivered,
            row.deliveredWithout,
            rounded(row.ratio),
          ]),
        },
        {
          title: `Sends to a dead endpoint in ${seconds} s`,
          columns: ['failure', 'sends', 'five in a row, then probes'],
          rows: dead.map(({ failure, sends, before }) => [failure, sends, before]),
        },
        {
          title: 'An endpoint that recovers',
          columns: ['s down', 'backlog', 's from first to last', 'failed meanwhile'],
          rows: [[RECOVERY.downSeconds, recovery.backlog, rounded(recovery.seconds), recovery.failed]],
        },
      ],
      charts: [
        {
          kind: 'bars',
          name: 'goodput',
          title: 'Delivered, as a share of what is delivered with the breaker off',
          yName: 'ratio',
          categories: SHARES.map(String),
          series: KINDS.map((failure) => ({
            name: failure,
            values: SHARES.map((share) =>
              rounded(
                rows.find((row) => row.load === 'steady' && row.failure === failure && row.share === share)
                  ?.ratio ?? 0,
              ),
            ),
          })),
        },
      ],
      data: { rows, dead, recovery },
    };
  },
});

interface Side {
  stage: Stage;
  posthorn: Posthorn;
}

/** What was delivered in the time, by cell. */
async function runCells(
  { stage, posthorn }: Side,
  seconds: number,
  endpoints: number,
): Promise<Record<string, number>> {
  await inParallel(cells, 4, async (cell) => {
    const { name, load, failure, share } = cell;
    const afterMs = load === 'backlog' ? BACKLOG.afterMs : 0;
    await stage.receiver.behave(name, { kind: 'flaky', share, as: failure, afterMs });
    await addCustomers(
      stage,
      posthorn,
      { prefix: `${name}-`, count: endpoints, group: name },
      { retryPolicy: POLICY, ...(load === 'backlog' && { maxInFlight: BACKLOG.maxInFlight }) },
    );
  });
  const untilMs = Date.now() + seconds * 1000;
  await Promise.all(
    cells.map((cell) => {
      const count = endpoints;
      const steady = { events: (count * seconds) / 4, rate: count / 4 };
      const backlog = { events: count * seconds * BACKLOG.sendsPerSecond, batch: 100, insist: true };
      return stage.load.run(posthorn, {
        customers: { prefix: `${cell.name}-`, count },
        payloadBytes: 256,
        connections: 1,
        ...(cell.load === 'steady' ? steady : backlog),
      });
    }),
  );
  await pause(Math.max(0, untilMs - Date.now()));
  const { rows } = await posthorn.pool.query<{ name: string; delivered: number }>(
    `SELECT regexp_replace(customer_id, '-[0-9]+$', '') AS name, count(*)::int AS delivered
       FROM delivery WHERE status = 'delivered' AND finished_at <= to_timestamp($1 / 1000.0) GROUP BY 1`,
    [untilMs],
  );
  return Object.fromEntries(rows.map(({ name, delivered }) => [name, delivered]));
}

async function runDead({ stage, posthorn }: Side, seconds: number) {
  const settings = { retryPolicy: { ...POLICY, maxAttempts: 4 }, maxInFlight: DEAD_IN_FLIGHT };
  await inParallel(DEAD, 4, async (failure) => {
    const name = `dead-${failure}`;
    if (failure === 'refused') {
      const url = `http://127.0.0.1:${await findFreePort()}/`;
      await posthorn.addEndpoints([{ customerId: `${name}-0`, url, settings }]);
    } else {
      await stage.receiver.behave(name, { kind: 'flaky', share: 1, as: failure, afterMs: 0 });
      await addCustomers(stage, posthorn, { prefix: `${name}-`, count: 1, group: name }, settings);
    }
    const load = { events: 500, connections: 1, batch: 50, payloadBytes: 256 };
    await stage.load.run(posthorn, { customers: { prefix: `${name}-`, count: 1 }, ...load });
  });
  await pause(seconds * 1000);
  const { rows } = await posthorn.pool.query<{ customer: string; sends: number }>(
    `SELECT customer, count(*)::int AS sends
       FROM (SELECT d.customer_id AS customer, a.started_at, min(a.started_at) OVER (PARTITION BY d.customer_id) AS first_at
               FROM delivery d JOIN attempt a ON a.delivery_id = d.id WHERE d.customer_id LIKE 'dead-%') AS sent
      WHERE started_at < first_at + $1 * interval '1 second' GROUP BY 1`,
    [seconds],
  );
  return DEAD.map((failure) => ({
    failure,
    sends: rows.find(({ customer }) => customer === `dead-${failure}-0`)?.sends ?? 0,
    before: sendsByRuleBefore(seconds, failure === 'timeout'),
  }));
}

/**
 * What an endpoint that was dead from its first send got while five failures in a row opened each breaker: those, what was in
 * flight beside them where they take long, and a probe each time, the open time at its shortest.
 */
function sendsByRuleBefore(seconds: number, slow: boolean): number {
  let probes = 0;
  for (let atSeconds = 0, openSeconds = 5; ; openSeconds = Math.min(60, openSeconds * 2)) {
    atSeconds += 0.9 * openSeconds + (slow ? TIMEOUT_MS / 1000 : 0);
    if (atSeconds > seconds) return probes + (slow ? DEAD_IN_FLIGHT : 5);
    probes += 1;
  }
}

interface Recovery {
  seconds: number;
  backlog: number;
  /** Attempts after the first delivery. The endpoint is sound by then: on a machine with too much to do they time out. */
  failed: number;
}

/** Events come while it is down; how long it takes to deliver them once the first was. */
async function runRecovery({ stage, posthorn }: Side): Promise<Recovery> {
  const customers = { prefix: 'recovers-', count: 1 };
  await stage.receiver.behave('recovers', { kind: 'answer', status: 500, afterMs: 0 });
  await addCustomers(stage, posthorn, { ...customers, group: 'recovers' }, { retryPolicy: POLICY });
  const { downSeconds, ratePerSecond } = RECOVERY;
  const backlog = downSeconds * ratePerSecond;
  await stage.load.run(posthorn, { customers, events: backlog, rate: ratePerSecond, connections: 1 });
  await stage.receiver.behave('recovers', { kind: 'answer', status: 200, afterMs: 20 });
  for (let tries = 0; tries < 1_500; tries += 1) {
    const { rows } = await posthorn.pool.query<{ delivered: number; seconds: number }>(
      `SELECT count(*) FILTER (WHERE status = 'delivered')::int AS delivered,
              extract(epoch FROM max(finished_at) - min(finished_at))::float AS seconds
         FROM delivery WHERE customer_id = 'recovers-0'`,
    );
    if (rows[0]?.delivered === backlog)
      return { seconds: rows[0].seconds, backlog, failed: await failedSinceFirst(posthorn) };
    await pause(100);
  }
  return { seconds: Infinity, backlog, failed: await failedSinceFirst(posthorn) };
}

async function failedSinceFirst(posthorn: Posthorn): Promise<number> {
  const { rows } = await posthorn.pool.query<{ failed: number }>(
    `WITH attempts AS (SELECT a.status, a.started_at FROM delivery d JOIN attempt a ON a.delivery_id = d.id
                        WHERE d.customer_id = 'recovers-0')
     SELECT count(*)::int AS failed FROM attempts
      WHERE status <> 'delivered' AND started_at > (SELECT min(started_at) FROM attempts WHERE status = 'delivered')`,
  );
  return rows[0]?.failed ?? 0;
}
