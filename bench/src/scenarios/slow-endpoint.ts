import type { Chart } from '../frame/chart.js';
import { untilRecorded } from '../frame/contestant.js';
import { countBySpan, latenciesIn } from '../frame/arrivals.js';
import { startPosthorn, type Posthorn } from '../frame/posthorn.js';
import { runScenario } from '../frame/run-scenario.js';
import { pauseUntil, repeatEvery, scaledDefaultPolicy } from '../frame/scaled-time.js';
import { openStage, type Stage } from '../frame/stage.js';
import { atMost, rounded, type Target } from '../frame/target.js';
import { addCustomers } from '../start-contestants.js';

const QUICK_MS = 100;
const SLOW_MS = 30_000;
const MINUTE_MS = 60_000;
const SLOW = 'SLOW';
const PREFIX = { slow: 'slow-', quiet: 'quiet-' } as const;

interface SlowCase {
  name: string;
  title: string;
  /** Of an attempt, in the story. */
  timeoutSeconds: number;
}

const cases: readonly SlowCase[] = [
  {
    name: 'timing-out',
    title: 'timeout 15 s (default): nothing succeeds while it is slow',
    timeoutSeconds: 15,
  },
  { name: 'in-time', title: 'timeout 60 s: everything succeeds, slowly', timeoutSeconds: 60 },
];

interface Minute {
  minute: number;
  phase: string;
  /** Attempts that reached the receiver. */
  slowSent: number;
  /** Unfinished deliveries at the end of the minute. */
  slowDepth: number;
  breaker: string;
  quietSent: number;
  quietDepth: number;
  quietP99: number;
}

interface Outcome {
  story: SlowCase;
  minutes: Minute[];
  /** `quick`: before it became slow and after it had caught up. */
  quietP99: { quick: number; slow: number; catchingUp: number };
  /** From the moment it was quick again until nothing of its backlog was left, in minutes of the story. */
  caughtUpMinutes: number;
  accepted: number;
  delivered: number;
  attempts: number;
}

await runScenario({
  name: 'slow-endpoint',
  about:
    "one customer's endpoint takes 30 s instead of 100 ms for ten minutes, beside quiet customers: backlog and pace, minute by minute",
  minutesMax: ({ scale, only, ...minutes }) =>
    5 +
    ((only === 0 ? 4 : 2) *
      (minutes['before-minutes'] + minutes['slow-minutes'] + minutes['after-minutes'])) /
      scale,
  settings: {
    /** Seconds of the story in a second of the run: times are divided by it, rates multiplied. 1: as told. */
    scale: { long: 10, short: 15 },
    'before-minutes': { long: 3, short: 1 },
    'slow-minutes': { long: 10, short: 4 },
    'after-minutes': { long: 12, short: 5 },
    /** Events per second of the story for the slow one; for the quiet ones in all, per second of the run. */
    'slow-rate': { long: 5, short: 2 },
    'quiet-customers': { long: 50, short: 50 },
    'quiet-rate': { long: 50, short: 30 },
    /** One case alone (1 timing out, 2 in time); 0 both. */
    only: { long: 0, short: 1 },
    partitions: { long: 35, short: 16 },
  },
  async run({ settings, say, onEnd }) {
    const { scale } = settings;
    if (scale < 1 || scale > 15) throw new Error('--scale must be between 1 and 15: no timeout is below 1 s');
    const outcomes: Outcome[] = [];
    const lost: string[] = [];
    for (const [index, story] of cases.entries()) {
      if (settings.only !== 0 && settings.only !== index + 1) continue;
      const stage = await openStage();
      onEnd(stage.stop);
      try {
        const posthorn = await startPosthorn(stage, {
          partitionDays: settings.partitions,
          env: { POSTHORN_TIMEOUT_MS: String(Math.round((story.timeoutSeconds * 1000) / scale)) },
        });
        const outcome = await tell(stage, posthorn, story, settings);
        outcomes.push(outcome);
        const { quick, slow, catchingUp } = outcome.quietP99;
        say(
          `${story.name.padEnd(10)}  others' p99 ${quick} ms, while it is slow ${slow} ms, while it catches up ${catchingUp} ms`,
        );
        if (outcome.delivered < outcome.accepted)
          lost.push(`${story.name}: ${outcome.accepted} accepted, ${outcome.delivered} delivered`);
      } finally {
        await stage.stop();
      }
    }

    return {
      lost,
      targets: outcomes.flatMap(targetsOf),
      tables: [
        ...outcomes.map(({ story, minutes }) => ({
          title: `${story.title}; time 1:${scale}`,
          columns: [
            'minute',
            'slow one: attempts/min',
            'unfinished',
            'breaker',
            'others: attempts/min',
            'unfinished',
            'p99 ms',
            '',
          ],
          rows: minutes.map((of) => [
            of.minute,
            of.slowSent,
            of.slowDepth,
            of.breaker,
            of.quietSent,
            of.quietDepth,
            of.quietP99,
            of.phase,
          ]),
        })),
        {
          title: 'Quiet customers: event accepted → arrived, p99 in ms; the slow one',
          columns: [
            '',
            'before',
            'beside',
            'after',
            'caught up after min',
            'events',
            'delivered',
            'attempts',
          ],
          rows: outcomes.map(({ story, quietP99, caughtUpMinutes, accepted, delivered, attempts }) => [
            story.title,
            quietP99.quick,
            quietP99.slow,
            quietP99.catchingUp,
            caughtUpMinutes,
            accepted,
            delivered,
            attempts,
          ]),
        },
      ],
      charts: outcomes.flatMap(chartsOf),
      data: outcomes,
    };
  },
});

interface StorySettings {
  scale: number;
  'before-minutes': number;
  'slow-minutes': number;
  'after-minutes': number;
  'slow-rate': number;
  'quiet-customers': number;
  'quiet-rate': number;
}

async function tell(
  stage: Stage,
  posthorn: Posthorn,
  story: SlowCase,
  settings: StorySettings,
): Promise<Outcome> {
  const { receiver, load } = stage;
  const { scale } = settings;
  const minuteMs = MINUTE_MS / scale;
  const slow = { prefix: PREFIX.slow, count: 1 };
  const quiet = { prefix: PREFIX.quiet, count: settings['quiet-customers'] };
  const answerAfter = (ms: number) =>
    receiver.behave('slow', { kind: 'answer', status: 200, afterMs: ms / scale });
  const retryPolicy = scaledDefaultPolicy(scale);
  await answerAfter(QUICK_MS);
  const [endpointId = ''] = await addCustomers(stage, posthorn, { ...slow, group: 'slow' }, { retryPolicy });
  await addCustomers(stage, posthorn, { ...quiet, group: 'quiet' });

  const play = (seconds: number) =>
    Promise.all([
      load.run(posthorn, { customers: slow, seconds, rate: settings['slow-rate'] * scale }),
      load.run(posthorn, { customers: quiet, seconds, rate: settings['quiet-rate'] }),
    ]);
  // Warm, and over before the story begins.
  const warm = await play(minuteMs / 1000);
  await untilRecorded(posthorn, 30_000);
  await receiver.take('slow');
  await receiver.take('quiet');

  const fromMs = Date.now();
  const slowFromMs = fromMs + settings['before-minutes'] * minuteMs;
  const slowToMs = slowFromMs + settings['slow-minutes'] * minuteMs;
  const endMs = slowToMs + settings['after-minutes'] * minuteMs;
  const samples: Sample[] = [];
  const sampling = repeatEvery(Math.min(1000, minuteMs / 4), async () => {
    samples.push({ atMs: Date.now(), ...(await look(posthorn, endpointId)) });
  });
  const playing = play((endMs - fromMs) / 1000);
  await pauseUntil(slowFromMs);
  await answerAfter(SLOW_MS);
  await pauseUntil(slowToMs);
  await answerAfter(QUICK_MS);
  const loads = [...warm, ...(await playing)];
  // The breaker's probes are at most 66 s apart, whatever the scale.
  await untilRecorded(posthorn, 90_000 + 5 * minuteMs);
  await sampling.stop();

  const [slowArrivals, quietArrivals] = [await receiver.take('slow'), await receiver.take('quiet')];
  const slowSent = countBySpan(
    slowArrivals.map(({ atMs }) => atMs),
    fromMs,
    minuteMs,
  );
  const quietSent = countBySpan(
    quietArrivals.map(({ atMs }) => atMs),
    fromMs,
    minuteMs,
  );
  const minutes = Array.from({ length: Math.ceil((endMs - fromMs) / minuteMs) }, (_, minute): Minute => {
    const [beginMs, overMs] = [fromMs + minute * minuteMs, fromMs + (minute + 1) * minuteMs];
    const last = samples.findLast(({ atMs }) => atMs <= overMs);
    return {
      minute,
      phase: beginMs < slowFromMs - 1 ? 'quick' : beginMs < slowToMs - 1 ? SLOW : 'quick again',
      slowSent: slowSent[minute] ?? 0,
      slowDepth: last?.slow ?? 0,
      breaker: last?.breaker ?? '',
      quietSent: quietSent[minute] ?? 0,
      quietDepth: last?.quiet ?? 0,
      quietP99: latenciesIn(quietArrivals, [[beginMs, overMs]]).p99,
    };
  });
  // What is left is then no more than what is underway at any time.
  const caughtUpMs =
    samples.find(({ atMs, slow: left }) => atMs > slowToMs && left <= settings['slow-rate'])?.atMs ??
    Infinity;
  const { rows } = await posthorn.pool.query<{ delivered: number; attempts: number }>(
    `SELECT count(*) FILTER (WHERE status = 'delivered')::int AS delivered,
            coalesce(sum(attempts) FILTER (WHERE customer_id LIKE $1), 0)::int AS attempts FROM delivery`,
    [`${PREFIX.slow}%`],
  );
  return {
    story,
    minutes,
    quietP99: {
      quick: latenciesIn(quietArrivals, [
        [fromMs, slowFromMs],
        [caughtUpMs, endMs],
      ]).p99,
      slow: latenciesIn(quietArrivals, [[slowFromMs, slowToMs]]).p99,
      catchingUp: latenciesIn(quietArrivals, [[slowToMs, caughtUpMs]]).p99,
    },
    caughtUpMinutes: rounded((caughtUpMs - slowToMs) / minuteMs),
    accepted: loads.reduce((sum, { accepted }) => sum + accepted, 0),
    delivered: rows[0]?.delivered ?? 0,
    attempts: rows[0]?.attempts ?? 0,
  };
}

interface Sample {
  atMs: number;
  slow: number;
  quiet: number;
  breaker: string;
}

async function look(posthorn: Posthorn, endpointId: string): Promise<Omit<Sample, 'atMs'>> {
  const { rows } = await posthorn.pool.query<{ slow: number; quiet: number }>(
    `SELECT count(*) FILTER (WHERE customer_id LIKE $1)::int AS slow,
            count(*) FILTER (WHERE customer_id LIKE $2)::int AS quiet
       FROM delivery WHERE status = 'pending'`,
    [`${PREFIX.slow}%`, `${PREFIX.quiet}%`],
  );
  const { breaker } = await posthorn.call<{ breaker: { state: string } }>(
    'GET',
    `/v1/endpoints/${endpointId}`,
  );
  return { slow: rows[0]?.slow ?? 0, quiet: rows[0]?.quiet ?? 0, breaker: breaker.state };
}

function targetsOf({ story, quietP99: { quick, slow, catchingUp } }: Outcome): Target[] {
  return [
    atMost(`others' p99 while it is slow ÷ while it is quick (${story.name})`, slow / quick, 1.2),
    atMost(`others' p99 while it catches up ÷ while it is quick (${story.name})`, catchingUp / quick, 2),
  ];
}

function chartsOf({ story, minutes }: Outcome): Chart[] {
  const slow = minutes.filter(({ phase }) => phase === SLOW);
  const when = `${story.name}; slow from minute ${slow[0]?.minute ?? 0} to ${(slow.at(-1)?.minute ?? -1) + 1}`;
  const lines = (ofSlow: (minute: Minute) => number, ofOthers: (minute: Minute) => number) => [
    { name: 'the slow one', points: minutes.map((of) => [of.minute, ofSlow(of)] as const) },
    { name: 'the others', points: minutes.map((of) => [of.minute, ofOthers(of)] as const) },
  ];
  const about = { kind: 'lines', xName: 'minutes' } as const;
  return [
    {
      ...about,
      name: `${story.name}-depth`,
      title: `Unfinished deliveries (${when})`,
      yName: 'deliveries',
      series: lines(
        ({ slowDepth }) => slowDepth,
        ({ quietDepth }) => quietDepth,
      ),
    },
    {
      ...about,
      name: `${story.name}-rate`,
      title: `Attempts per minute (${when})`,
      yName: 'attempts per minute',
      series: lines(
        ({ slowSent }) => slowSent,
        ({ quietSent }) => quietSent,
      ),
    },
  ];
}
