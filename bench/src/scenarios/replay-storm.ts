import { countBySpan, mostWithin } from '../frame/arrivals.js';
import { untilRecorded } from '../frame/contestant.js';
import { percentiles } from '../frame/percentile.js';
import { startPosthorn, type Posthorn } from '../frame/posthorn.js';
import type { Arrival } from '../frame/receiver.js';
import { runScenario } from '../frame/run-scenario.js';
import { repeatEvery } from '../frame/scaled-time.js';
import { openStage, type Stage } from '../frame/stage.js';
import { atLeast, atMost, median, rounded } from '../frame/target.js';
import { addCustomers } from '../start-contestants.js';
import { setTimeout as pause } from 'node:timers/promises';

const STORM = 'storm-';
const QUIET = 'quiet-';
const FILL_LIMIT_MS = 10 * 60_000;
/** What came too late to be counted is waited for so long. */
const GRACE_MS = 1_000;

interface Replay {
  id: string;
  state: 'running' | 'paused' | 'completed' | 'cancelled';
  matched: number;
  done: number;
  failed: number;
  remaining: number;
}

interface Stretch {
  kind: 'alone' | 'beside';
  /** False: the replay ended in the middle of it, and it was not the only one. */
  whole: boolean;
  accepted: number;
  arrived: number;
  p50: number;
  p99: number;
  latenciesMs: number[];
}

await runScenario({
  name: 'replay-storm',
  about:
    'quiet customers while all dead letters of another one are replayed under its rate limit, and while that replay is paused, in turn',
  minutesMax: { long: 25, short: 5 },
  settings: {
    letters: { long: 10_000, short: 300 },
    /** Requests per second that the endpoint allows. */
    'rate-limit': { long: 80, short: 30 },
    'quiet-customers': { long: 50, short: 50 },
    'quiet-rate': { long: 100, short: 50 },
    'stretch-seconds': { long: 10, short: 3 },
    warmup: { long: 5, short: 1 },
    partitions: { long: 35, short: 16 },
  },
  async run({ settings, say, onEnd }) {
    const { letters, 'rate-limit': limit } = settings;
    const stage = await openStage();
    onEnd(stage.stop);
    const posthorn = await startPosthorn(stage, { partitionDays: settings.partitions });
    const quiet = { prefix: QUIET, count: settings['quiet-customers'] };
    await addCustomers(stage, posthorn, { ...quiet, group: 'quiet' });
    const { endpointId, seconds } = await makeDeadLetters(stage, posthorn, letters);
    say(`${letters} dead letters made in ${rounded(seconds)} s`);
    await posthorn.call('PATCH', `/v1/endpoints/${endpointId}`, { rateLimit: { max: limit, perSeconds: 1 } });

    const stretch = (kind: Stretch['kind']) =>
      measureQuiet(stage, posthorn, kind, settings['stretch-seconds'], {
        customers: quiet,
        rate: settings['quiet-rate'],
      });
    const warm = await stage.load.run(posthorn, {
      customers: quiet,
      rate: settings['quiet-rate'],
      seconds: settings.warmup,
    });
    await pause(GRACE_MS);

    const stretches: Stretch[] = [await stretch('alone')];
    const customerId = `${STORM}0`;
    const dry = await posthorn.call<{ matched: number }>('POST', '/v1/replays', { customerId, dryRun: true });
    const { id } = await posthorn.call<Replay>('POST', '/v1/replays', { customerId });
    const read = () => posthorn.call<Replay>('GET', `/v1/replays/${id}`);
    const fromMs = Date.now();
    const progress: { second: number; done: number; failed: number; state: string }[] = [];
    const following = repeatEvery(1_000, async () => {
      const { done, failed, state } = await read();
      progress.push({ second: rounded((Date.now() - fromMs) / 1000), done, failed, state });
    });
    for (;;) {
      const beside = await stretch('beside');
      const { state } = await read();
      stretches.push({ ...beside, whole: state === 'running' || stretches.length === 1 });
      // It may end between the two.
      if (state === 'running') await posthorn.call('POST', `/v1/replays/${id}/pause`).catch(() => undefined);
      await untilRecorded(posthorn, 30_000);
      stretches.push(await stretch('alone'));
      const { kind, p99 } = stretches.at(-2) ?? beside;
      const replay = await read();
      say(
        `${kind} p99 ${p99} ms, then alone ${stretches.at(-1)?.p99} ms; ${replay.done} of ${replay.matched} done`,
      );
      if (replay.state !== 'paused') break;
      await posthorn.call('POST', `/v1/replays/${id}/resume`);
    }
    await following.stop();

    const replay = await read();
    const arrivals = (await stage.receiver.take('storm')).map(({ atMs }) => atMs);
    const begun = await posthorn.pool.query<{ ms: number }>(
      "SELECT (extract(epoch FROM started_at) * 1000)::float8 AS ms FROM attempt WHERE trigger = 'replay'",
    );
    const begunMs = begun.rows.map(({ ms }) => ms);
    const { rows } = await posthorn.pool.query<{ status: string; count: number }>(
      'SELECT status, count(*)::int AS count FROM delivery WHERE customer_id = $1 GROUP BY status',
      [customerId],
    );
    const delivered = rows.find(({ status }) => status === 'delivered')?.count ?? 0;

    const of = (kind: Stretch['kind']) => stretches.filter((one) => one.kind === kind);
    const besides = of('beside').filter(({ whole }) => whole);
    const ratio = median(ratiosToNeighbours(stretches));
    const quietAccepted = stretches.reduce((sum, { accepted }) => sum + accepted, warm.accepted);
    const quietDelivered = await countQuiet(posthorn);
    const lost = [
      ...(quietDelivered < quietAccepted
        ? [`quiet: ${quietAccepted} accepted, ${quietDelivered} delivered`]
        : []),
      ...(delivered < letters ? [`storm: ${letters} dead letters, ${delivered} delivered`] : []),
      ...(replay.state === 'completed' && replay.done === letters && dry.matched === letters
        ? []
        : [
            `replay: ${replay.state}, dry run ${dry.matched}, ${replay.done} done and ${replay.failed} failed of ${replay.matched}`,
          ]),
    ];
    return {
      lost,
      targets: [
        atMost("others' p99 beside ÷ alone before and after (median of stretches)", ratio, 1.2),
        atMost('most requests in any second, at the receiver', mostWithin(arrivals, 1_000), limit),
        atLeast('dead letters delivered by the replay', replay.done, letters),
      ],
      tables: [
        {
          title: 'Quiet customers: event accepted → arrived, ms; all stretches of a kind together',
          columns: ['', 'stretches', 'events', 'p50', 'p95', 'p99', 'median of p99', 'p99 of each'],
          rows: [['alone', of('alone')] as const, ['beside the replay', besides] as const].map(
            ([name, some]) => {
              const { p50, p95, p99 } = percentiles(some.flatMap(({ latenciesMs }) => latenciesMs));
              const each = some.map((one) => one.p99);
              const events = some.reduce((sum, { accepted }) => sum + accepted, 0);
              return [name, some.length, events, p50, p95, p99, median(each), each.join(' ')];
            },
          ),
        },
        {
          title: 'The replay',
          columns: [
            '',
            'limit /s',
            'most in any second, received',
            'begun by the worker',
            'matched',
            'done',
            'failed',
            'received',
            'in s, pauses included',
          ],
          rows: [
            [
              replay.state,
              limit,
              mostWithin(arrivals, 1_000),
              mostWithin(begunMs, 1_000),
              replay.matched,
              replay.done,
              replay.failed,
              arrivals.length,
              progress.find(({ state }) => state === 'completed')?.second ?? Infinity,
            ],
          ],
        },
      ],
      charts: [
        {
          kind: 'lines',
          name: 'progress',
          title: 'Progress of the replay, which is paused every other stretch',
          xName: 'seconds',
          yName: 'deliveries',
          series: [
            { name: 'done', points: progress.map(({ second, done }) => [second, done] as const) },
            { name: 'failed', points: progress.map(({ second, failed }) => [second, failed] as const) },
          ],
        },
        {
          kind: 'lines',
          name: 'rate',
          title: `Requests at the receiver, by second (limit ${limit})`,
          xName: 'seconds',
          yName: 'requests per second',
          series: [
            {
              name: 'received',
              points: countBySpan(arrivals, fromMs, 1_000).map((count, second) => [second, count] as const),
            },
          ],
        },
      ],
      data: {
        replay,
        progress,
        stretches: stretches.map(({ latenciesMs: _, ...stretchOf }) => stretchOf),
      },
    };
  },
});

/**
 * Every event of theirs fails for good at its only attempt. It is answered 429, which says nothing about the endpoint's
 * health: after five 500s the breaker would keep the rest from being attempted at all.
 */
async function makeDeadLetters(
  stage: Stage,
  posthorn: Posthorn,
  letters: number,
): Promise<{ endpointId: string; seconds: number }> {
  await stage.receiver.behave('storm', { kind: 'answer', status: 429, afterMs: 0 });
  const customers = { prefix: STORM, count: 1 };
  const [endpointId = ''] = await addCustomers(
    stage,
    posthorn,
    { ...customers, group: 'storm' },
    { retryPolicy: { maxAttempts: 1 } },
  );
  const startedMs = performance.now();
  await stage.load.run(posthorn, {
    customers,
    events: letters,
    batch: Math.min(500, letters),
    insist: true,
    connections: 2,
    payloadBytes: 256,
  });
  if (!(await untilRecorded(posthorn, FILL_LIMIT_MS)))
    throw new Error(`${letters} dead letters did not come to be in time`);
  await stage.receiver.take('storm');
  await stage.receiver.behave('storm', { kind: 'answer', status: 200, afterMs: 0 });
  return { endpointId, seconds: (performance.now() - startedMs) / 1000 };
}

async function measureQuiet(
  { load, receiver }: Stage,
  posthorn: Posthorn,
  kind: Stretch['kind'],
  seconds: number,
  plan: { customers: { prefix: string; count: number }; rate: number },
): Promise<Stretch> {
  await pause(GRACE_MS);
  await receiver.take('quiet');
  const { accepted } = await load.run(posthorn, { ...plan, seconds });
  await pause(GRACE_MS);
  const arrivals: Arrival[] = await receiver.take('quiet');
  const latenciesMs = arrivals.map(({ latencyMs }) => latencyMs);
  const { p50, p99 } = percentiles(latenciesMs);
  const late = arrivals.length < accepted * 0.99;
  return {
    kind,
    whole: true,
    accepted,
    arrived: arrivals.length,
    p50,
    p99: late ? Infinity : p99,
    latenciesMs,
  };
}

/** Each whole stretch beside the replay against the two around it, because the machine may change in the course of a run. */
function ratiosToNeighbours(stretches: readonly Stretch[]): number[] {
  return stretches.flatMap(({ kind, whole, p99 }, index) => {
    if (kind === 'alone' || !whole) return [];
    const [before, after] = [stretches[index - 1], stretches[index + 1]];
    return before && after ? [p99 / ((before.p99 + after.p99) / 2)] : [];
  });
}

async function countQuiet({ pool }: Posthorn): Promise<number> {
  const { rows } = await pool.query<{ count: number }>(
    "SELECT count(*)::int AS count FROM delivery WHERE status = 'delivered' AND customer_id LIKE $1",
    [`${QUIET}%`],
  );
  return rows[0]?.count ?? 0;
}
