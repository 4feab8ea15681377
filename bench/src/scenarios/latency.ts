import { addCustomers, startContestants } from '../start-contestants.js';
import type { Chart } from '../frame/chart.js';
import { untilRecorded, type Contestant } from '../frame/contestant.js';
import { cpuPerEvent, readCpuMs, type CpuUse } from '../frame/cpu-use.js';
import type { LoadPlan, LoadReport } from '../frame/load.js';
import { readMachineCpu } from '../frame/machine.js';
import { percentiles, type Percentiles } from '../frame/percentile.js';
import { runScenario } from '../frame/run-scenario.js';
import { openStage, type Stage } from '../frame/stage.js';
import type { Table } from '../frame/table.js';
import { atMost, median } from '../frame/target.js';

const DRAIN_LIMIT_MS = 120_000;
const RETRY_AFTER_SECONDS = 2;
/** One event in so many fails at first in the round that looks at retries. */
const FAILING_ONE_IN = 10;
const COLD_PER_SECOND = 500;

interface Waits {
  /** From the time at which Postgres has the delivery due to the start of its attempt. */
  dueToStart: Percentiles;
  /** The part of it that accepting took: until the transaction committed. */
  dueToCommit: Percentiles;
  /** From the commit to the start: the queue alone. */
  commitToStart: Percentiles;
  samples: number;
}

interface Round {
  contestant: string;
  load: string;
  perSecond: number;
  accepted: number;
  waits: Waits;
  acceptMs: LoadReport['latencyMs'];
  cpuMicros: CpuUse;
  /** Of all CPUs, %. */
  machineBusy: number;
}

await runScenario({
  name: 'latency',
  about: 'how long a delivery that is due waits until its attempt starts, by the rows in Postgres',
  minutesMax: { long: 20, short: 3 },
  settings: {
    rounds: { long: 3, short: 1 },
    seconds: { long: 20, short: 4 },
    warmup: { long: 8, short: 1 },
    'hot-customers': { long: 100, short: 50 },
    'cold-customers': { long: 1000, short: 200 },
    'released-customers': { long: 4000, short: 0 },
    partitions: { long: 35, short: 16 },
  },
  async run({ settings, say, onEnd }) {
    // The time of each commit is kept, so that accepting and queueing can be told apart.
    const stage = await openStage({ postgresSettings: { track_commit_timestamp: 'on' } });
    onEnd(stage.stop);
    const { posthorn, naive, all } = await startContestants(stage, {
      partitionDays: settings.partitions,
    });
    const hot = { prefix: 'hot-', count: settings['hot-customers'] };
    const cold = { prefix: 'cold-', count: settings['cold-customers'] };
    const released = { prefix: 'released-', count: settings['released-customers'] };
    for (const contestant of all) {
      await addCustomers(stage, contestant, hot);
      if (contestant !== naive) await addCustomers(stage, contestant, cold);
    }
    await addCustomers(stage, posthorn, released);
    const failing = { prefix: 'failing-', count: hot.count };
    await stage.receiver.behave('failing', { kind: 'fails_first', oneIn: FAILING_ONE_IN });
    const retryPolicy = { delaysSeconds: [RETRY_AFTER_SECONDS], maxAttempts: 3, jitter: 0.5 };
    await addCustomers(stage, posthorn, { ...failing, group: 'failing' }, { retryPolicy });

    const lost: string[] = [];
    const measure = async (contestant: Contestant, load: string, plan: LoadPlan): Promise<Round> => {
      const { round, drained } = await runRound(stage, contestant, load, plan);
      if (!drained) lost.push(`${contestant.name}, ${load}: not everything was delivered`);
      const { dueToStart, commitToStart } = round.waits;
      say(
        `${load.padEnd(9)} ${contestant.name.padEnd(8)} ${round.perSecond}/s  due → start p50 ${dueToStart.p50} p99 ${dueToStart.p99} ms, commit → start p99 ${commitToStart.p99} ms`,
      );
      return round;
    };

    const halfOf = new Map<Contestant, number>();
    for (const contestant of all) {
      await measure(contestant, 'warmup', { customers: hot, seconds: settings.warmup });
      const peak = await measure(contestant, 'peak', {
        customers: hot,
        seconds: Math.max(3, settings.seconds / 2),
      });
      halfOf.set(contestant, Math.floor(peak.perSecond / 2));
    }
    const rounds: Round[] = [];
    const paced = { seconds: settings.seconds, connections: 256 };
    for (let index = 0; index < settings.rounds; index += 1) {
      for (const contestant of index % 2 === 0 ? all : [...all].reverse()) {
        // The floor at Posthorn's rate: so the two compare. The naive service would not keep up.
        const rate = halfOf.get(contestant === naive ? naive : posthorn) ?? 1;
        rounds.push(await measure(contestant, 'hot', { ...paced, customers: hot, rate }));
        if (contestant === naive) continue;
        rounds.push(await measure(contestant, 'cold', { ...paced, customers: cold, rate: COLD_PER_SECOND }));
      }
      if (released.count > 0)
        rounds.push(
          await measure(posthorn, 'released', { ...paced, customers: released, rate: COLD_PER_SECOND }),
        );
    }
    const retriesFrom = await databaseNow(posthorn);
    const rate = halfOf.get(posthorn) ?? 1;
    await measure(posthorn, 'failing', { ...paced, customers: failing, rate });
    const retries = await readRetryWaits(posthorn, retriesFrom);
    say(`retries   posthorn  due → start p50 ${retries.p50} p99 ${retries.p99} ms`);

    const p99 = (load: string): number =>
      median(
        rounds
          .filter((round) => round.contestant === 'posthorn' && round.load === load)
          .map(({ waits }) => waits.dueToStart.p99),
      );
    return {
      lost,
      targets: [
        atMost('due → start p99, hot customers at half load', p99('hot'), 10, ' ms'),
        atMost(
          `due → start p99, ${cold.count} customers at ${COLD_PER_SECOND}/s in all`,
          p99('cold'),
          40,
          ' ms',
        ),
        atMost('retry due → start p99, hot customers at half load', retries.p99, 10, ' ms'),
      ],
      tables: [waitTable(rounds), costTable(rounds)],
      charts: [chart(rounds)],
      data: { rounds, retries },
    };
  },
});

async function runRound(
  stage: Stage,
  contestant: Contestant,
  load: string,
  plan: LoadPlan,
): Promise<{ round: Round; drained: boolean }> {
  const from = await databaseNow(contestant);
  const before = readCpuMs(stage, contestant);
  const machineBefore = readMachineCpu();
  const startedMs = performance.now();
  const report = await stage.load.run(contestant, plan);
  const machineAfter = readMachineCpu();
  const drained = await untilRecorded(contestant, DRAIN_LIMIT_MS);
  const seconds = (performance.now() - startedMs) / 1000;
  const cpuMicros = cpuPerEvent(before, readCpuMs(stage, contestant), report.accepted);
  await stage.receiver.report(contestant.name);
  return {
    drained,
    round: {
      contestant: contestant.name,
      load,
      perSecond: Math.round(report.accepted / seconds),
      accepted: report.accepted,
      waits: await readWaits(contestant, from),
      acceptMs: report.latencyMs,
      cpuMicros,
      machineBusy: Math.round(
        (100 * (machineAfter.busyMs - machineBefore.busyMs)) / (machineAfter.totalMs - machineBefore.totalMs),
      ),
    },
  };
}

async function databaseNow({ pool }: Contestant): Promise<Date> {
  const { rows } = await pool.query<{ now: Date }>('SELECT clock_timestamp() AS now');
  return rows[0]?.now ?? new Date();
}

/** First attempts of the events accepted since then: when it was accepted, it was due. */
async function readWaits({ name, pool }: Contestant, from: Date): Promise<Waits> {
  const due = name === 'naive' ? "e.created_at AT TIME ZONE 'UTC'" : 'e.accepted_at';
  const start = name === 'naive' ? "a.started_at AT TIME ZONE 'UTC'" : 'a.started_at';
  const { rows } = await pool.query<{ start_ms: number; commit_ms: number }>(
    `SELECT extract(epoch FROM ${start} - ${due})::float8 * 1000 AS start_ms,
            extract(epoch FROM pg_xact_commit_timestamp(e.xmin) - ${due})::float8 * 1000 AS commit_ms
       FROM event e
       JOIN delivery d ON d.event_id = e.id
       JOIN LATERAL (SELECT started_at FROM attempt WHERE delivery_id = d.id ORDER BY started_at LIMIT 1) a ON true
      WHERE ${due} >= $1`,
    [from],
  );
  return {
    dueToStart: percentiles(rows.map(({ start_ms }) => start_ms)),
    dueToCommit: percentiles(rows.map(({ commit_ms }) => commit_ms)),
    commitToStart: percentiles(rows.map(({ start_ms, commit_ms }) => start_ms - commit_ms)),
    samples: rows.length,
  };
}

/** Second attempts: due when the first one was settled with that time. */
async function readRetryWaits({ pool }: Contestant, from: Date): Promise<Percentiles> {
  const { rows } = await pool.query<{ ms: number }>(
    `SELECT extract(epoch FROM second.started_at - first.next_attempt_at)::float8 * 1000 AS ms
       FROM attempt first JOIN attempt second ON second.delivery_id = first.delivery_id AND second.number = 2
      WHERE first.number = 1 AND first.started_at >= $1 AND first.next_attempt_at IS NOT NULL`,
    [from],
  );
  return percentiles(rows.map(({ ms }) => ms));
}

function waitTable(rounds: readonly Round[]): Table {
  return {
    title:
      'Due → attempt starts, ms, every round (due: when Postgres has it as accepted; committed: its transaction)',
    columns: [
      '',
      'load',
      'events/s',
      'p50',
      'p95',
      'p99',
      'max',
      'due → commit p50',
      'p99',
      'commit → start p50',
      'p99',
    ],
    rows: rounds.map(({ contestant, load, perSecond, waits: { dueToStart, dueToCommit, commitToStart } }) => [
      contestant,
      load,
      perSecond,
      ...[dueToStart.p50, dueToStart.p95, dueToStart.p99, dueToStart.max],
      ...[dueToCommit.p50, dueToCommit.p99, commitToStart.p50, commitToStart.p99],
    ]),
  };
}

function costTable(rounds: readonly Round[]): Table {
  return {
    title: 'CPU per event, µs; of the whole machine, %; and accept latency, ms',
    columns: ['', 'load', 'ingest', 'worker', 'postgres', 'redis', 'machine', 'accept p50', 'p99'],
    rows: rounds.map(({ contestant, load, cpuMicros, machineBusy, acceptMs }) => {
      const { ingest, worker, postgres, redis } = cpuMicros;
      return [contestant, load, ingest, worker, postgres, redis, machineBusy, acceptMs.p50, acceptMs.p99];
    }),
  };
}

function chart(rounds: readonly Round[]): Chart {
  const labels = [...new Set(rounds.map(({ contestant, load }) => `${contestant}, ${load}`))];
  const values = (of: (waits: Waits) => number): number[] =>
    labels.map((label) =>
      median(
        rounds
          .filter(({ contestant, load }) => `${contestant}, ${load}` === label)
          .map(({ waits }) => of(waits)),
      ),
    );
  return {
    kind: 'bars',
    name: 'due-to-start',
    title: 'Due → attempt starts',
    yName: 'ms',
    logarithmic: true,
    categories: labels,
    series: [
      { name: 'p50', values: values(({ dueToStart }) => dueToStart.p50) },
      { name: 'p95', values: values(({ dueToStart }) => dueToStart.p95) },
      { name: 'p99', values: values(({ dueToStart }) => dueToStart.p99) },
    ],
  };
}
