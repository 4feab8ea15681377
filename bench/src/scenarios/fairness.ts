import { tidyUp, type Contestant } from '../frame/contestant.js';
import { startNameServer } from '../frame/name-server.js';
import { startPosthorn } from '../frame/posthorn.js';
import { runScenario } from '../frame/run-scenario.js';
import { openStage, type Stage } from '../frame/stage.js';
import { atMost, rounded, type Target } from '../frame/target.js';
import { startFloor } from '../floor/start-floor.js';
import { startNaive } from '../naive/start-naive.js';
import { fairnessCases, silentSuffix, type FairnessCase } from './fairness-cases.js';

const BATCH = 100;
/** What came too late to be counted is waited for so long. */
const GRACE_MS = 2_000;
/** What neither the floor nor the naive service can take by batches. */
const SMALL_BACKLOG = 2_000;

interface Stretch {
  accepted: number;
  /** Of those, how many had arrived in the end. */
  arrived: number;
  p50: number;
  p95: number;
  /** Infinity when one in a hundred had not arrived. */
  p99: number;
  /** By second of the stretch. */
  series: (readonly [second: number, p99: number])[];
}

interface Outcome {
  contestant: string;
  neighbour: FairnessCase;
  alone: Stretch[];
  beside: Stretch;
  backlogLeft: number;
}

await runScenario({
  name: 'fairness',
  about:
    'how long quiet customers wait for their first attempt beside a bad neighbour, and without it in the same run',
  minutesMax: { long: 45, short: 4 },
  settings: {
    'quiet-customers': { long: 200, short: 50 },
    'quiet-rate': { long: 100, short: 50 },
    backlog: { long: 100_000, short: 2_000 },
    'hanging-customers': { long: 1_000, short: 100 },
    /** Longer than an endpoint hangs, so that the moment when all of them time out is in it. */
    seconds: { long: 32, short: 3 },
    /** 0: measured from the moment the worker starts. */
    warmup: { long: 6, short: 1 },
    'hang-seconds': { long: 30, short: 5 },
    /** One neighbour alone, by its place (1 hanging, 2 flooding, 3 many, 4 dns, 5 sibling, 6 many-dns); 0 all. */
    only: { long: 0, short: 1 },
    /** 1: the floor and the naive service too. */
    compare: { long: 1, short: 0 },
    partitions: { long: 35, short: 16 },
  },
  async run({ settings, short, say, onEnd }) {
    const names = await startNameServer(silentSuffix);
    onEnd(names.close);
    const outcomes: Outcome[] = [];
    const lost: string[] = [];
    const env = {
      POSTHORN_TIMEOUT_MS: String(settings['hang-seconds'] * 1000),
      POSTHORN_DNS_SERVERS: names.address,
      POSTHORN_LOG_LEVEL: 'silent',
      // Workers are stopped here while endpoints hang.
      POSTHORN_SHUTDOWN_DEADLINE_MS: '1000',
    };
    const sizesOf = (stage: Stage, backlog: number) => ({
      quietCustomers: settings['quiet-customers'],
      hangingCustomers: settings['hanging-customers'],
      receiverPort: stage.receiver.port,
      backlog,
    });
    const stretch = {
      rate: settings['quiet-rate'],
      seconds: settings.seconds,
      warmup: settings.warmup,
      alsoAfter: !short,
    };
    type Pick = (cases: ReturnType<typeof fairnessCases>) => FairnessCase;
    type Start = (stage: Stage) => Promise<Contestant>;

    /** On a stage of its own, so that nothing is left over from the case before. */
    const run = async (start: Start, pick: Pick, backlog: number): Promise<void> => {
      const stage = await openStage();
      onEnd(stage.stop);
      try {
        const contestant = await start(stage);
        const outcome = await runCase(
          stage,
          contestant,
          pick(fairnessCases(sizesOf(stage, backlog))),
          stretch,
        );
        outcomes.push(outcome);
        const { alone, beside, neighbour, backlogLeft } = outcome;
        say(
          `${contestant.name.padEnd(8)} ${neighbour.name.padEnd(8)}  p99 alone ${alone.map(({ p99 }) => p99).join(', ')} ms, beside ${beside.p99} ms`,
        );
        if (backlogLeft === 0) say('         its backlog did not last: at the end they were alone');
        if (contestant.name !== 'posthorn') return;
        for (const { accepted, arrived } of [...alone, beside])
          if (arrived < accepted) lost.push(`${neighbour.name}: ${accepted} accepted, ${arrived} arrived`);
      } finally {
        await stage.stop();
      }
    };
    const posthorn: Start = (stage) => startPosthorn(stage, { partitionDays: settings.partitions, env });
    const picks: Pick[] = [
      ({ hangingOne }) => hangingOne,
      ({ fastOne }) => fastOne,
      ({ manyHanging }) => manyHanging,
      ({ silentName }) => silentName,
      ({ sameCustomer }) => sameCustomer,
      ({ manySilentNames }) => manySilentNames,
    ];
    for (const [index, pick] of picks.entries())
      if (settings.only === 0 || settings.only === index + 1) await run(posthorn, pick, settings.backlog);
    if (settings.compare > 0) {
      for (const start of [startFloor, startNaive] satisfies Start[]) {
        await run(start, ({ hangingOne }) => hangingOne, SMALL_BACKLOG);
        await run(start, ({ fastOne }) => fastOne, SMALL_BACKLOG);
      }
    }

    return {
      lost,
      targets: outcomes.filter(({ contestant }) => contestant === 'posthorn').map(targetOf),
      tables: [
        {
          title: 'Quiet customers: event accepted → arrived at the endpoint, ms (alone: before and after)',
          columns: [
            '',
            'neighbour',
            'alone p50',
            'p95',
            'p99',
            'beside p50',
            'p95',
            'p99',
            'ratio p99',
            'events',
            'backlog left',
          ],
          rows: outcomes.map(({ contestant, neighbour, alone, beside, backlogLeft }) => [
            contestant,
            neighbour.title,
            ...[mean(alone, 'p50'), mean(alone, 'p95'), mean(alone, 'p99')],
            ...[beside.p50, beside.p95, beside.p99],
            rounded(beside.p99 / mean(alone, 'p99')),
            beside.accepted,
            backlogLeft,
          ]),
        },
      ],
      charts: [
        {
          kind: 'bars',
          name: 'p99',
          title: 'Quiet customers: accepted → arrived, p99 (no bar: never within the run)',
          yName: 'ms',
          logarithmic: true,
          categories: outcomes.map(({ contestant, neighbour }) => `${contestant}, ${neighbour.name}`),
          series: [
            { name: 'alone', values: outcomes.map(({ alone }) => mean(alone, 'p99')) },
            { name: 'beside', values: outcomes.map(({ beside }) => beside.p99) },
          ],
        },
        {
          kind: 'lines',
          name: 'by-second',
          title: 'Quiet customers beside a neighbour: p99 by second of arrival',
          xName: 'seconds',
          yName: 'ms',
          logarithmic: true,
          series: outcomes
            .filter(({ contestant }) => contestant === 'posthorn')
            .map(({ neighbour, beside }) => ({ name: neighbour.name, points: beside.series })),
        },
      ],
      data: outcomes,
    };
  },
});

interface StretchPlan {
  rate: number;
  seconds: number;
  warmup: number;
  /** Alone once more after the neighbour is gone: the machine may have changed meanwhile. */
  alsoAfter: boolean;
}

async function runCase(
  stage: Stage,
  contestant: Contestant,
  neighbour: FairnessCase,
  plan: StretchPlan,
): Promise<Outcome> {
  const { quiet, backlog } = neighbour;
  await neighbour.prepare(stage, contestant);
  if (quiet.prefix === 'quiet-')
    await contestant.addEndpoints(
      Array.from({ length: quiet.count }, (_, index) => ({
        customerId: `quiet-${index}`,
        url: stage.receiver.url('quiet', String(index)),
      })),
    );
  const measure = () => measureQuiet(stage, contestant, neighbour, plan);

  const before = await measure();
  // The backlog is there before the first of it is sent, and each stretch has a worker that has just started.
  await contestant.stopWorkers();
  await stage.load.run(contestant, contestant.name === 'posthorn' ? { ...backlog, batch: BATCH } : backlog);
  await tidyUp(contestant);
  await contestant.startWorkers();
  const beside = await measure();
  const backlogLeft = await forgetBacklog(stage, contestant);
  const alone = plan.alsoAfter ? [before, await measure()] : [before];
  return { contestant: contestant.name, neighbour, alone, beside, backlogLeft };
}

async function measureQuiet(
  { load, receiver }: Stage,
  contestant: Contestant,
  { quiet }: FairnessCase,
  { rate, seconds, warmup }: StretchPlan,
): Promise<Stretch> {
  const plan = { customers: quiet, type: quiet.type, rate, connections: 64 };
  if (warmup > 0) {
    await load.run(contestant, { ...plan, seconds: warmup });
    await pause(GRACE_MS);
  }
  await receiver.report('quiet');
  const fromSecond = Math.floor(Date.now() / 1000);
  const { accepted } = await load.run(contestant, { ...plan, seconds });
  await pause(GRACE_MS);
  const { received, latencyMs, series } = await receiver.report('quiet');
  const arrivedShare = received / accepted;
  return {
    accepted,
    arrived: received,
    p50: arrivedShare < 0.5 ? Infinity : latencyMs.p50,
    p95: arrivedShare < 0.95 ? Infinity : latencyMs.p95,
    p99: arrivedShare < 0.99 ? Infinity : latencyMs.p99,
    series: series.map(({ second, p99 }) => [second - fromSecond, p99] as const),
  };
}

/** The neighbour's events are given up behind the service's back, so that the quiet ones can be alone again. */
async function forgetBacklog(stage: Stage, contestant: Contestant): Promise<number> {
  await contestant.stopWorkers();
  await stage.receiver.release();
  await stage.redis.flushall();
  const { rowCount } = await contestant.pool.query(
    contestant.name === 'posthorn'
      ? "UPDATE delivery SET status = 'cancelled', reason = 'requested', next_attempt_at = NULL, waiting_for = NULL, finished_at = now() WHERE status = 'pending'"
      : "UPDATE delivery SET status = 'cancelled' WHERE status = 'pending'",
  );
  await tidyUp(contestant);
  await contestant.startWorkers();
  return rowCount ?? 0;
}

function targetOf({ neighbour, alone, beside }: Outcome): Target {
  return atMost(`p99 beside ÷ alone: ${neighbour.title}`, beside.p99 / mean(alone, 'p99'), neighbour.goal);
}

function mean(stretches: readonly Stretch[], of: 'p50' | 'p95' | 'p99'): number {
  return rounded(stretches.reduce((sum, stretch) => sum + stretch[of], 0) / stretches.length);
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
