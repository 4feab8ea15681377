import { untilRecorded } from '../frame/contestant.js';
import { startPosthorn, type Posthorn } from '../frame/posthorn.js';
import { runScenario } from '../frame/run-scenario.js';
import { pauseUntil, repeatEvery, scaledDefaultPolicy } from '../frame/scaled-time.js';
import { openStage, type Stage } from '../frame/stage.js';
import type { Table } from '../frame/table.js';
import { atLeast, rounded } from '../frame/target.js';
import { addCustomers } from '../start-contestants.js';
import {
  changesOf,
  outagePatterns,
  STORY_HOURS,
  summarize,
  type Fate,
  type OutagePattern,
} from './outage-patterns.js';
import { simulateOutage } from './outage-simulation.js';

const DAY_SECONDS = STORY_HOURS * 3600;
/** One whose first attempt begins later than this after its event had to wait; nothing else keeps it so long. */
const AT_ONCE_MS = 2_000;
/** The longest that a breaker stays open, with jitter. It is the same in every run. */
const BREAKER_MAX_SECONDS = 66;
const SEED = 1;

interface Waiting {
  hour: number;
  unfinished: Record<string, number>;
}

await runScenario({
  name: 'outage',
  about:
    'receivers that are down in stated patterns over a day, 23 h 30 included, in scaled time and, at full length, simulated',
  // What is unfinished after the day has another to end.
  minutesMax: ({ 'day-seconds': daySeconds }) => 10 + (2 * daySeconds) / 60,
  settings: {
    /** How long a day of the story takes. The delays of the default retry policy shrink alike. */
    'day-seconds': { long: 600, short: 60 },
    /** Customers, each with an endpoint, in each pattern. */
    customers: { long: 10, short: 5 },
    /** Over the day, for each of them. */
    events: { long: 240, short: 40 },
    partitions: { long: 35, short: 16 },
  },
  async run({ settings, say, onEnd }) {
    const daySeconds = settings['day-seconds'];
    const scale = DAY_SECONDS / daySeconds;
    const breakerHours = rounded((BREAKER_MAX_SECONDS * scale) / 3600);
    say(
      `A day takes ${daySeconds} s (1:${rounded(scale)}). Not scaled: the breaker's open time, whose longest, ${BREAKER_MAX_SECONDS} s, is ${breakerHours} h here.`,
    );
    const plan = { endpoints: settings.customers, eventsPerEndpoint: settings.events, seed: SEED };
    const simulated = outagePatterns.flatMap((pattern) =>
      simulateOutage(pattern, { ...plan, breaker: true }),
    );
    const policyAlone = outagePatterns.flatMap((pattern) =>
      simulateOutage(pattern, { ...plan, breaker: false }),
    );

    const stage = await openStage();
    onEnd(stage.stop);
    const posthorn = await startPosthorn(stage, { partitionDays: settings.partitions });
    const { fates, waiting, accepted } = await live(stage, posthorn, { scale, ...settings, say });

    const undelivered = fates.filter(({ deliveredHour }) => deliveredHour === Infinity).length;
    const lost =
      fates.length < accepted || undelivered > 0
        ? [`${accepted} accepted, ${fates.length - undelivered} delivered`]
        : [];
    const all = summarize(fates);
    const dayAlone = summarize(fates.filter(({ pattern }) => pattern === 'day'));
    const full = summarize(simulated);
    return {
      lost,
      targets: [
        atLeast('delivered of all, %', (100 * all.delivered) / accepted, 100),
        atLeast('delivered after 23 h 30, %', (100 * dayAlone.delivered) / dayAlone.deliveries, 100),
        atLeast('failed at first, delivered within 24 h, %', all.firstFailedInTime, 95),
        atLeast(
          `failed at first, within 24 h and ${breakerHours} h of breaker (not scaled), %`,
          summarize(fates, STORY_HOURS + (BREAKER_MAX_SECONDS * scale) / 3600).firstFailedInTime,
          95,
        ),
        atLeast('failed at first or waited for the breaker, within 24 h, %', all.heldUpInTime, 95),
        atLeast('simulated, nothing scaled: delivered, %', (100 * full.delivered) / full.deliveries, 100),
        atLeast('simulated, nothing scaled: failed at first, within 24 h, %', full.firstFailedInTime, 95),
        atLeast(
          'simulated, the policy alone: failed at first, within 24 h, %',
          summarize(policyAlone).firstFailedInTime,
          95,
        ),
      ],
      tables: [
        tableOf(`Measured, 1:${rounded(scale)}; hours of the story`, fates),
        tableOf('Simulated at full length: retry policy and breaker', simulated),
        tableOf('Simulated at full length: retry policy alone', policyAlone),
      ],
      charts: [
        {
          kind: 'lines',
          name: 'unfinished',
          title: `Unfinished deliveries while receivers are down (a day in ${daySeconds} s)`,
          xName: 'hours',
          yName: 'deliveries',
          series: outagePatterns.map(({ name }) => ({
            name,
            points: waiting.map(({ hour, unfinished }) => [hour, unfinished[name] ?? 0] as const),
          })),
        },
      ],
      data: {
        scale,
        breakerHours,
        patterns: outagePatterns,
        waiting,
        measured: outcomesOf(fates),
        simulated: outcomesOf(simulated),
        policyAlone: outcomesOf(policyAlone),
      },
    };
  },
});

interface LivePlan {
  scale: number;
  'day-seconds': number;
  customers: number;
  events: number;
  say(line: string): void;
}

async function live(
  stage: Stage,
  posthorn: Posthorn,
  { scale, 'day-seconds': daySeconds, customers, events, say }: LivePlan,
): Promise<{ fates: Fate[]; waiting: Waiting[]; accepted: number }> {
  const hourMs = 3_600_000 / scale;
  const behave = ({ name }: OutagePattern, down: boolean) =>
    stage.receiver.behave(name, { kind: 'answer', status: down ? 503 : 200, afterMs: 0 });
  for (const { name } of outagePatterns)
    await addCustomers(
      stage,
      posthorn,
      { prefix: `${name}-`, count: customers, group: name },
      { retryPolicy: scaledDefaultPolicy(scale) },
    );

  const changes = changesOf(outagePatterns);
  for (const { pattern } of changes.filter(({ hour, down }) => hour === 0 && down))
    await behave(pattern, true);
  const fromMs = Date.now();
  const waiting: Waiting[] = [];
  const sample = async (): Promise<void> => {
    const hour = rounded((Date.now() - fromMs) / hourMs);
    waiting.push({ hour, unfinished: await countUnfinished(posthorn) });
  };
  const sampling = repeatEvery(hourMs / 2, sample);
  const loads = Promise.all(
    outagePatterns.map(({ name }) =>
      stage.load.run(posthorn, {
        customers: { prefix: `${name}-`, count: customers },
        events: customers * events,
        rate: (customers * events) / daySeconds,
        payloadBytes: 256,
        connections: 4,
      }),
    ),
  );
  for (const { hour, pattern, down } of changes) {
    await pauseUntil(fromMs + hour * hourMs);
    await behave(pattern, down);
    if (pattern.name === 'day') say(`${hour} h: the receivers of "day" are ${down ? 'down' : 'back'}`);
  }
  const accepted = (await loads).reduce((sum, report) => sum + report.accepted, 0);
  const ended = await untilRecorded(posthorn, (daySeconds + 2 * BREAKER_MAX_SECONDS) * 1000);
  await sampling.stop();
  await sample();
  const hours = rounded((Date.now() - fromMs) / hourMs);
  say(ended ? `${hours} h: nothing is unfinished` : `${hours} h: still unfinished deliveries, given up`);
  return { fates: await readFates(posthorn, fromMs, hourMs), waiting, accepted };
}

async function countUnfinished({ pool }: Posthorn): Promise<Record<string, number>> {
  const { rows } = await pool.query<{ pattern: string; count: number }>(
    "SELECT split_part(customer_id, '-', 1) AS pattern, count(*)::int AS count FROM delivery WHERE status = 'pending' GROUP BY 1",
  );
  return Object.fromEntries(rows.map(({ pattern, count }) => [pattern, count]));
}

async function readFates({ pool }: Posthorn, fromMs: number, hourMs: number): Promise<Fate[]> {
  const { rows } = await pool.query<{
    pattern: string;
    created_at: Date;
    finished_at: Date | null;
    status: string;
    attempts: number;
    first_status: string | null;
    first_at: Date | null;
  }>(
    `SELECT split_part(d.customer_id, '-', 1) AS pattern, d.created_at, d.finished_at, d.status, d.attempts,
            a.status AS first_status, a.started_at AS first_at
       FROM delivery d LEFT JOIN attempt a ON a.delivery_id = d.id AND a.number = 1`,
  );
  const hourOf = (at: Date): number => (at.getTime() - fromMs) / hourMs;
  return rows.map((row) => {
    const firstFailed = row.first_status !== null && row.first_status !== 'delivered';
    const firstAfterMs = (row.first_at?.getTime() ?? Infinity) - row.created_at.getTime();
    return {
      pattern: row.pattern,
      madeHour: hourOf(row.created_at),
      firstFailed,
      waited: !firstFailed && firstAfterMs > AT_ONCE_MS,
      attempts: row.attempts,
      deliveredHour: row.status === 'delivered' && row.finished_at ? hourOf(row.finished_at) : Infinity,
    };
  });
}

function outcomesOf(fates: readonly Fate[]) {
  return [
    ...outagePatterns.map(({ name, title }) => ({
      receivers: `${name}: ${title}`,
      ...summarize(fates.filter(({ pattern }) => pattern === name)),
    })),
    { receivers: 'all', ...summarize(fates) },
  ];
}

function tableOf(title: string, fates: readonly Fate[]): Table {
  return {
    title,
    columns: [
      'receivers',
      'deliveries',
      'delivered',
      'failed at first',
      'within 24 h %',
      'waited only',
      'both within 24 h %',
      'longest h',
      'attempts each',
    ],
    rows: outcomesOf(fates).map((of) => [
      of.receivers,
      of.deliveries,
      of.delivered,
      of.firstFailed,
      rounded(of.firstFailedInTime),
      of.waited,
      rounded(of.heldUpInTime),
      rounded(of.longestHours),
      rounded(of.attemptsEach),
    ]),
  };
}
