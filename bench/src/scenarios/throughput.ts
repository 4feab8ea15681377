import type { Chart } from '../frame/chart.js';
import { countDelivered, untilRecorded, type Contestant } from '../frame/contestant.js';
import { cpuPerEvent, readCpuMs, type CpuUse } from '../frame/cpu-use.js';
import type { LoadPlan, LoadReport } from '../frame/load.js';
import { readProcessUsage } from '../frame/process-usage.js';
import { runScenario } from '../frame/run-scenario.js';
import { openStage, type Stage } from '../frame/stage.js';
import type { Table } from '../frame/table.js';
import { atLeast, atMost, median, rounded } from '../frame/target.js';
import { addCustomers, startContestants } from '../start-contestants.js';

const PACED_SHARE = 0.6;
const BATCHES = { batch: 100, connections: 8 };
const DRAIN_LIMIT_MS = 240_000;
const PARTS = ['ingest', 'worker', 'postgres', 'redis', 'receiver', 'load'] as const;

/** One stretch of load on one contestant, from the first request until everything is recorded. */
interface Round {
  accepted: number;
  delivered: number;
  acceptedPerSecond: number;
  deliveredPerSecond: number;
  acceptMs: LoadReport['latencyMs'];
  arrivalMs: LoadReport['latencyMs'];
  cpuMicros: CpuUse;
}

await runScenario({
  name: 'throughput',
  about: 'events accepted, delivered and recorded per second, and what each costs, in alternating rounds',
  minutesMax: { long: 20, short: 4 },
  settings: {
    rounds: { long: 3, short: 1 },
    seconds: { long: 12, short: 3 },
    warmup: { long: 5, short: 1 },
    customers: { long: 100, short: 50 },
    connections: { long: 64, short: 64 },
    payload: { long: 1024, short: 1024 },
    partitions: { long: 35, short: 16 },
  },
  async run({ settings, say, onEnd }) {
    const stage = await openStage();
    onEnd(stage.stop);
    const {
      all: contestants,
      posthorn,
      floor,
      naive,
    } = await startContestants(stage, {
      partitionDays: settings.partitions,
    });
    for (const contestant of contestants)
      await addCustomers(stage, contestant, { prefix: 'bench-', count: settings.customers });
    const plan: LoadPlan = {
      customers: { prefix: 'bench-', count: settings.customers },
      seconds: settings.seconds,
      connections: settings.connections,
      payloadBytes: settings.payload,
    };
    const lost: string[] = [];
    const measure = async (contestant: Contestant, over: Partial<LoadPlan>): Promise<Round> => {
      const round = await runRound(stage, contestant, { ...plan, ...over });
      if (round.delivered < round.accepted)
        lost.push(`${contestant.name}: ${round.accepted} accepted, ${round.delivered} delivered`);
      return round;
    };

    for (const contestant of contestants) {
      await measure(contestant, { seconds: settings.warmup });
      // Autovacuum does so within minutes; until then plans are those of empty tables.
      await contestant.pool.query('ANALYZE');
    }
    const full = new Map<Contestant, Round[]>(contestants.map((contestant) => [contestant, []]));
    const batched: Round[] = [];
    for (let index = 0; index < settings.rounds; index += 1) {
      // Each goes first in turn.
      for (let place = 0; place < contestants.length; place += 1) {
        const contestant = contestants[(index + place) % contestants.length] as Contestant;
        const round = await measure(contestant, {});
        full.get(contestant)?.push(round);
        say(
          `round ${index + 1}, ${contestant.name.padEnd(8)}  ${round.deliveredPerSecond} delivered/s, ${round.acceptedPerSecond} accepted/s`,
        );
        if (contestant !== posthorn) continue;
        const batches = await measure(posthorn, { ...BATCHES, seconds: settings.seconds / 3 });
        batched.push(batches);
        say(`         by batches of ${BATCHES.batch}  ${batches.acceptedPerSecond} accepted/s`);
      }
    }
    const best = (contestant: Contestant, of: (round: Round) => number): number =>
      median((full.get(contestant) ?? []).map(of));
    const delivered = (contestant: Contestant): number =>
      best(contestant, (round) => round.deliveredPerSecond);
    // Round by round: what the machine does for others changes within minutes, and is alike for those that are neighbours.
    const deliveredRatio = (other: Contestant): number =>
      median(ratios(full.get(posthorn) ?? [], full.get(other) ?? [], (round) => round.deliveredPerSecond));

    const paced = new Map<Contestant, Round>();
    for (const contestant of contestants) {
      const rate = PACED_SHARE * delivered(contestant);
      // More connections than are ever busy: a stall must not keep requests from being made.
      paced.set(contestant, await measure(contestant, { rate, connections: 4 * settings.connections }));
      say(`paced, ${contestant.name.padEnd(8)}    ${Math.round(rate)}/s`);
    }
    const accepting = await measureAccepting(
      stage,
      posthorn,
      { ...plan, seconds: settings.seconds / 3 },
      settings.rounds,
    );
    say(
      `accepting alone  ${accepting.map(({ single, batches }) => `${single} and by batches ${batches}`).join(', ')} accepted/s`,
    );

    const cpuOf = (contestant: Contestant): number =>
      best(contestant, ({ cpuMicros }) => cpuMicros.ingest + cpuMicros.worker);
    const pacedMs = paced.get(posthorn)?.acceptMs;
    const arrivedMs = paced.get(posthorn)?.arrivalMs;
    return {
      lost,
      targets: [
        atLeast('delivered/s, Posthorn ÷ bare floor', deliveredRatio(floor), 0.85),
        atLeast('delivered/s, Posthorn ÷ naive service', deliveredRatio(naive), 4),
        atLeast('delivered per minute, Posthorn', delivered(posthorn) * 60, 90_000),
        atMost('CPU per event, ingest + worker', cpuOf(posthorn), 950, ' µs'),
        atMost(`accept p95 at ${PACED_SHARE * 100} % of peak`, pacedMs?.p95 ?? Number.NaN, 50, ' ms'),
        atMost(`accept p99 at ${PACED_SHARE * 100} % of peak`, pacedMs?.p99 ?? Number.NaN, 150, ' ms'),
        atMost(
          `accepted → arrived p99.9 at ${PACED_SHARE * 100} % of peak`,
          arrivedMs?.p999 ?? Number.NaN,
          1_000,
          ' ms',
        ),
        atLeast(
          'accepted/s, batches ÷ single requests, nothing delivered meanwhile',
          median(accepting.map(({ single, batches }) => batches / single)),
          4,
        ),
        atLeast(
          'accepted/s, batches ÷ single requests, delivery on the same CPUs',
          median(ratios(batched, full.get(posthorn) ?? [], (round) => round.acceptedPerSecond)),
          4,
        ),
      ],
      tables: [speedTable(contestants, full, paced), cpuTable(contestants, best), memoryTable(contestants)],
      charts: charts(contestants, full, best),
      data: {
        full: named(full),
        paced: named(paced),
        batched,
        accepting,
      },
    };
  },
});

/** Accepted per second while no worker runs, by single requests and by batches in turns; the workers then catch up. */
async function measureAccepting(
  stage: Stage,
  posthorn: Contestant,
  plan: LoadPlan,
  rounds: number,
): Promise<{ single: number; batches: number }[]> {
  const accepted = async (over: Partial<LoadPlan>): Promise<number> => {
    const load = await stage.load.run(posthorn, { ...plan, ...over });
    return Math.round(load.accepted / load.seconds);
  };
  await posthorn.stopWorkers();
  const measured: { single: number; batches: number }[] = [];
  for (let round = 0; round < rounds; round += 1)
    measured.push({
      single: await accepted({}),
      batches: await accepted(BATCHES),
    });
  await posthorn.startWorkers();
  if (!(await untilRecorded(posthorn, DRAIN_LIMIT_MS)))
    throw new Error('What was accepted without a worker was not delivered in time by the next');
  return measured;
}

function ratios(over: readonly Round[], under: readonly Round[], of: (round: Round) => number): number[] {
  return over.map((round, index) => of(round) / of(under[index] as Round));
}

async function runRound(stage: Stage, contestant: Contestant, plan: LoadPlan): Promise<Round> {
  await stage.receiver.report(contestant.name);
  const deliveredBefore = await countDelivered(contestant);
  const before = readCpuMs(stage, contestant);
  const startedMs = performance.now();
  const load = await stage.load.run(contestant, plan);
  await untilRecorded(contestant, DRAIN_LIMIT_MS);
  const seconds = (performance.now() - startedMs) / 1000;
  const after = readCpuMs(stage, contestant);
  const received = await stage.receiver.report(contestant.name);
  const delivered = (await countDelivered(contestant)) - deliveredBefore;
  for (const [answer, count] of Object.entries(load.refused))
    process.stdout.write(`${contestant.name}: ${count} × ${answer}\n`);
  return {
    accepted: load.accepted,
    delivered,
    acceptedPerSecond: Math.round(load.accepted / load.seconds),
    deliveredPerSecond: Math.round(delivered / seconds),
    acceptMs: load.latencyMs,
    arrivalMs: received.latencyMs,
    cpuMicros: cpuPerEvent(before, after, load.accepted),
  };
}

type Best = (contestant: Contestant, of: (round: Round) => number) => number;

function speedTable(
  contestants: readonly Contestant[],
  full: Map<Contestant, Round[]>,
  paced: Map<Contestant, Round>,
): Table {
  return {
    title: 'Per second, with every round of each; accept and arrival in ms at 60 % of its own peak',
    columns: [
      '',
      'delivered/s',
      'rounds',
      'accepted/s',
      'accept p50',
      'p95',
      'p99',
      'accepted → arrived p50',
      'p99',
    ],
    rows: contestants.map((contestant) => {
      const rounds = full.get(contestant) ?? [];
      const quiet = paced.get(contestant);
      return [
        contestant.name,
        median(rounds.map((round) => round.deliveredPerSecond)),
        rounds.map((round) => round.deliveredPerSecond).join(' '),
        median(rounds.map((round) => round.acceptedPerSecond)),
        quiet?.acceptMs.p50 ?? '',
        quiet?.acceptMs.p95 ?? '',
        quiet?.acceptMs.p99 ?? '',
        quiet?.arrivalMs.p50 ?? '',
        quiet?.arrivalMs.p99 ?? '',
      ];
    }),
  };
}

function cpuTable(contestants: readonly Contestant[], best: Best): Table {
  return {
    title: 'CPU per event (user + system), µs',
    columns: ['', ...PARTS, 'ingest + worker', 'all but receiver and load'],
    rows: contestants.map((contestant) => {
      const parts = PARTS.map((part) => best(contestant, ({ cpuMicros }) => cpuMicros[part]));
      const [ingest = 0, worker = 0, postgres = 0, redis = 0] = parts;
      return [contestant.name, ...parts, ingest + worker, ingest + worker + postgres + redis];
    }),
  };
}

function memoryTable(contestants: readonly Contestant[]): Table {
  const peakMb = (pid: number): number => Math.round(readProcessUsage(pid).rssPeakBytes / 1e6);
  return {
    title: 'Peak memory (RSS), MB',
    columns: ['', 'ingest', 'worker'],
    rows: contestants.map(({ name, ingest, workers }) => [
      name,
      peakMb(ingest.pid),
      workers.map(({ pid }) => peakMb(pid)).join(' '),
    ]),
  };
}

function charts(contestants: readonly Contestant[], full: Map<Contestant, Round[]>, best: Best): Chart[] {
  const categories = contestants.map(({ name }) => name);
  return [
    {
      kind: 'bars',
      name: 'delivered',
      title: 'Delivered and recorded per second, each round',
      yName: 'events/s',
      categories,
      series: Array.from({ length: full.values().next().value?.length ?? 0 }, (_, index) => ({
        name: `round ${index + 1}`,
        values: contestants.map((contestant) => full.get(contestant)?.[index]?.deliveredPerSecond ?? 0),
      })),
    },
    {
      kind: 'bars',
      name: 'cpu',
      title: 'CPU per event',
      yName: 'µs',
      categories,
      series: PARTS.slice(0, 4).map((part) => ({
        name: part,
        values: contestants.map((contestant) =>
          rounded(best(contestant, ({ cpuMicros }) => cpuMicros[part])),
        ),
      })),
    },
  ];
}

function named<T>(byContestant: Map<Contestant, T>): Record<string, T> {
  return Object.fromEntries(Array.from(byContestant, ([{ name }, value]) => [name, value]));
}
