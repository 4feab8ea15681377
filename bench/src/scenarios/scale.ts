import { addCustomers, startContestants } from '../start-contestants.js';
import { countDelivered, tidyUp, type Contestant } from '../frame/contestant.js';
import { cpuPerEvent, readCpuMs, type CpuUse } from '../frame/cpu-use.js';
import { readRssBytes } from '../frame/process-usage.js';
import { readRedisUse } from '../frame/redis-use.js';
import { runScenario } from '../frame/run-scenario.js';
import { openStage, type Stage } from '../frame/stage.js';
import type { Table } from '../frame/table.js';
import { atMost, median, rounded } from '../frame/target.js';
import { fillWithRetries, type WaitingStep } from './waiting-retries.js';

const COUNTS = [1, 100, 1_000, 10_000];
const PARTS = ['ingest', 'worker', 'postgres', 'redis'] as const;
const MB = 1e6;
/** The naive service would not keep up with the others. */
const NAIVE_SHARE = 0.1;
const DRAIN_LIMIT_MS = 180_000;
/** From the answer to its record, with much to spare. */
const RECORD_MS = 1_000;
/** Leases are given back after some seconds without work. */
const SETTLE_MS = 15_000;

interface Cost {
  contestant: string;
  customers: number;
  events: number;
  cpuMicros: CpuUse;
  rssMb: { ingest: number; worker: number };
  redisMb: number;
}

interface IdleCost {
  contestant: string;
  commandsPerSecond: number;
  cpuPercent: CpuUse;
}

await runScenario({
  name: 'scale',
  about:
    'what a delivery costs with more customers and with more retries waiting, and what doing nothing costs',
  minutesMax: { long: 75, short: 4 },
  settings: {
    'customers-max': { long: 10_000, short: 100 },
    rate: { long: 500, short: 200 },
    seconds: { long: 20, short: 3 },
    rounds: { long: 2, short: 1 },
    'idle-seconds': { long: 20, short: 3 },
    waiting: { long: 1_000_000, short: 500 },
    partitions: { long: 35, short: 16 },
  },
  async run({ settings, short, say, onEnd }) {
    const stage = await openStage();
    onEnd(stage.stop);
    const { posthorn, naive, all } = await startContestants(stage, { partitionDays: settings.partitions });
    const counts = COUNTS.filter((count) => count <= settings['customers-max']);
    const most = counts.at(-1) ?? 1;
    for (const contestant of all) await addCustomers(stage, contestant, { prefix: 'scale-', count: most });
    say(`${most} customers added to each`);

    const lost: string[] = [];
    const measure = async (contestant: Contestant, customers: number): Promise<Cost> => {
      const rate = settings.rate * (contestant === naive ? NAIVE_SHARE : 1);
      const { cost, missing } = await measureCost(stage, contestant, customers, rate, settings.seconds);
      if (missing > 0) lost.push(`${contestant.name}, ${customers} customers: ${missing} not delivered`);
      say(
        `${contestant.name.padEnd(8)} ${String(customers).padStart(6)} customers  ${ownMicros(cost)} µs ingest + worker, worker ${cost.rssMb.worker} MB`,
      );
      return cost;
    };
    // One after another, each with nobody else's workers: the floor's thousands ask Redis also when there is nothing to do.
    const costs: Cost[] = [];
    for (const contestant of all) await contestant.stopWorkers();
    for (const contestant of [...all].reverse()) {
      await contestant.startWorkers();
      await measure(contestant, Math.min(100, most));
      for (let round = 0; round < settings.rounds; round += 1)
        for (const customers of round % 2 === 0 ? counts : [...counts].reverse())
          costs.push(await measure(contestant, customers));
      if (contestant !== posthorn) await contestant.stopWorkers();
    }

    // From here on it is Posthorn alone, which came last.
    await tidyUp(posthorn);
    await pause(short ? 0 : SETTLE_MS);
    const idle: IdleCost[] = [await measureIdle(stage, posthorn, settings['idle-seconds'])];
    say(`idle: ${idle[0]?.commandsPerSecond ?? 0} Redis commands/s`);

    const steps = [0, 100_000, 1_000_000].filter((count) => count < settings.waiting);
    const withWaiting: (WaitingStep & { cost: Cost })[] = [];
    for (const waiting of [...steps, settings.waiting]) {
      const step = await fillWithRetries(stage, posthorn, waiting);
      const cost = await measure(posthorn, Math.min(100, most));
      withWaiting.push({ ...step, cost });
      say(
        `${step.waiting} retries wait, ${step.inRedis} of them in Redis, ${step.redisBytesEach} bytes each`,
      );
    }
    await tidyUp(posthorn);
    await pause(short ? 0 : SETTLE_MS);
    idle.push(await measureIdle(stage, posthorn, settings['idle-seconds']));

    const costAt = (contestant: string, customers: number): number =>
      median(
        costs.filter((cost) => cost.contestant === contestant && cost.customers === customers).map(ownMicros),
      );
    const lightest = Math.min(...counts.map((count) => costAt('posthorn', count)));
    const dearest = Math.max(...counts.map((count) => costAt('posthorn', count)));
    const waitingCosts = withWaiting.map(({ cost }) => ownMicros(cost));
    return {
      lost,
      targets: [
        atMost(
          `cost per delivery, dearest ÷ cheapest of ${counts.join(', ')} customers`,
          dearest / lightest,
          2,
        ),
        atMost(
          `cost per delivery, with ${settings.waiting} retries waiting ÷ with none`,
          (waitingCosts.at(-1) ?? Number.NaN) / (waitingCosts[0] ?? Number.NaN),
          2,
        ),
      ],
      tables: [costTable(costs), waitingTable(withWaiting), idleTable(most, idle)],
      charts: [
        {
          kind: 'bars',
          name: 'customers',
          title: 'CPU per event, ingest + worker, by the number of customers',
          yName: 'µs',
          categories: counts.map(String),
          series: all.map(({ name }) => ({ name, values: counts.map((count) => costAt(name, count)) })),
        },
        {
          kind: 'bars',
          name: 'waiting',
          title: 'CPU per event beside waiting retries',
          yName: 'µs',
          categories: withWaiting.map(({ waiting }) => String(waiting)),
          series: PARTS.map((part) => ({
            name: part,
            values: withWaiting.map(({ cost }) => cost.cpuMicros[part]),
          })),
        },
      ],
      data: { costs, withWaiting, idle },
    };
  },
});

async function measureCost(
  stage: Stage,
  contestant: Contestant,
  customers: number,
  rate: number,
  seconds: number,
): Promise<{ cost: Cost; missing: number }> {
  const deliveredBefore = await countDelivered(contestant);
  await stage.receiver.report(contestant.name);
  const before = readCpuMs(stage, contestant);
  const { accepted } = await stage.load.run(contestant, {
    customers: { prefix: 'scale-', count: customers },
    rate,
    seconds,
    connections: 128,
  });
  await untilDelivered(stage, contestant, accepted);
  const after = readCpuMs(stage, contestant);
  await stage.receiver.report(contestant.name);
  const rssMb = (pid: number | undefined) => Math.round(readRssBytes(pid ?? 0) / MB);
  const { usedBytes } = await readRedisUse(stage.redis);
  return {
    missing: deliveredBefore + accepted - (await countDelivered(contestant)),
    cost: {
      contestant: contestant.name,
      customers,
      events: accepted,
      cpuMicros: cpuPerEvent(before, after, accepted),
      rssMb: { ingest: rssMb(contestant.ingest.pid), worker: rssMb(contestant.workers[0]?.pid) },
      redisMb: rounded(usedBytes / MB),
    },
  };
}

/** Retries that wait stay pending, so what is pending says nothing here, and asking for it would cost. */
async function untilDelivered({ receiver }: Stage, { name }: Contestant, events: number): Promise<void> {
  const deadlineMs = performance.now() + DRAIN_LIMIT_MS;
  while ((await receiver.count(name)) < events && performance.now() < deadlineMs) await pause(100);
  await pause(RECORD_MS);
}

async function measureIdle(stage: Stage, contestant: Contestant, seconds: number): Promise<IdleCost> {
  const before = readCpuMs(stage, contestant);
  const { commands } = await readRedisUse(stage.redis);
  const startedMs = performance.now();
  await pause(seconds * 1000);
  const elapsedMs = performance.now() - startedMs;
  const after = readCpuMs(stage, contestant);
  // Of what was counted, this question is one.
  const asked = (await readRedisUse(stage.redis)).commands - commands - 1;
  const percent = (part: keyof CpuUse) => rounded((100 * (after[part] - before[part])) / elapsedMs);
  return {
    contestant: contestant.name,
    commandsPerSecond: rounded((asked * 1000) / elapsedMs),
    cpuPercent: {
      ingest: percent('ingest'),
      worker: percent('worker'),
      postgres: percent('postgres'),
      redis: percent('redis'),
      receiver: percent('receiver'),
      load: percent('load'),
    },
  };
}

function ownMicros({ cpuMicros: { ingest, worker } }: Cost): number {
  return ingest + worker;
}

function costTable(costs: readonly Cost[]): Table {
  return {
    title: 'CPU per event by the number of customers, µs, every round',
    columns: [
      '',
      'customers',
      'events',
      ...PARTS,
      'ingest + worker',
      'RSS ingest MB',
      'RSS worker MB',
      'Redis MB',
    ],
    rows: costs.map((cost) => [
      cost.contestant,
      cost.customers,
      cost.events,
      ...PARTS.map((part) => cost.cpuMicros[part]),
      ownMicros(cost),
      cost.rssMb.ingest,
      cost.rssMb.worker,
      cost.redisMb,
    ]),
  };
}

function waitingTable(steps: readonly (WaitingStep & { cost: Cost })[]): Table {
  return {
    title: 'Beside retries that wait for an hour or more: Redis, memory, and CPU per event of others, µs',
    columns: ['waiting', 'in Redis', 'filled/s', 'Redis MB', 'bytes each', 'RSS worker MB', ...PARTS],
    rows: steps.map(({ waiting, inRedis, filledPerSecond, redisMb, redisBytesEach, cost }) => [
      waiting,
      inRedis,
      filledPerSecond,
      redisMb,
      redisBytesEach,
      cost.rssMb.worker,
      ...PARTS.map((part) => cost.cpuMicros[part]),
    ]),
  };
}

function idleTable(customers: number, idle: readonly IdleCost[]): Table {
  return {
    title: `Doing nothing, with ${customers} customers; then also with the waiting retries: CPU % of a core`,
    columns: ['', 'Redis commands/s', ...PARTS],
    rows: idle.map(({ contestant, commandsPerSecond, cpuPercent }) => [
      contestant,
      commandsPerSecond,
      ...PARTS.map((part) => cpuPercent[part]),
    ]),
  };
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
