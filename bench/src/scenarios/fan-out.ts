import { randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { createUuidV7 } from '@posthorn/domain';
import { request } from 'undici';

import { tidyUp } from '../frame/contestant.js';
import type { LoadPlan, LoadReport } from '../frame/load.js';
import { percentiles } from '../frame/percentile.js';
import { startPosthorn, type Posthorn } from '../frame/posthorn.js';
import { readProcessUsage, readRssBytes } from '../frame/process-usage.js';
import { runScenario } from '../frame/run-scenario.js';
import { openStage } from '../frame/stage.js';
import { atLeast, atMost, rounded } from '../frame/target.js';

const MB = 1e6;
const LARGE = 'large';

interface BatchItem {
  status: number;
  code?: string;
  detail?: string;
}

interface Answer {
  /** The status of the batch, or of each of its events where it was 202. */
  items: BatchItem[];
  seconds: number;
}

await runScenario({
  name: 'fan-out',
  about:
    'how long quiet customers wait for accepting while one with many endpoints sends batches, and what ingest holds',
  minutesMax: { long: 9, short: 4 },
  settings: {
    endpoints: { long: 10_000, short: 2_000 },
    events: { long: 1_000, short: 200 },
    'quiet-customers': { long: 50, short: 50 },
    'quiet-rate': { long: 50, short: 50 },
    /** Of each stretch: alone, beside, alone again. */
    seconds: { long: 30, short: 8 },
    warmup: { long: 5, short: 2 },
    partitions: { long: 35, short: 16 },
  },
  async run({ settings, say, onEnd }) {
    const stage = await openStage();
    onEnd(stage.stop);
    const posthorn = await startPosthorn(stage, {
      // Accepting is measured. What a worker does with a large customer's deliveries is what `fairness` is about.
      workers: 0,
      partitionDays: settings.partitions,
      env: { POSTHORN_LOG_LEVEL: 'silent' },
    });
    await posthorn.addEndpoints(
      Array.from({ length: settings['quiet-customers'] }, (_, index) => ({
        customerId: `quiet-${index}`,
        url: stage.receiver.url('quiet', String(index)),
      })),
    );
    await addLargeCustomer(posthorn, stage.receiver.url('large', 'all'), settings.endpoints);
    await tidyUp(posthorn);

    const plan: LoadPlan = {
      customers: { prefix: 'quiet-', count: settings['quiet-customers'] },
      rate: settings['quiet-rate'],
      seconds: settings.seconds,
      connections: settings['quiet-customers'],
    };
    const quiet = () => stage.load.run(posthorn, plan);
    await stage.load.run(posthorn, { ...plan, seconds: settings.warmup });
    const before = await quiet();
    say(`alone    accept p99 ${before.latencyMs.p99} ms`);

    const rssIdleMb = readRssBytes(posthorn.ingest.pid) / MB;
    let rssMb = rssIdleMb;
    const watch = setInterval(() => (rssMb = Math.max(rssMb, readRssBytes(posthorn.ingest.pid) / MB)), 100);
    const endsMs = performance.now() + settings.seconds * 1000;
    const answers: Answer[] = [];
    const sendBatches = async (): Promise<void> => {
      // The same batch under the same key, as a producer does until all of it is accepted.
      const key = randomUUID();
      while (performance.now() < endsMs) {
        const answer = await sendBatch(posthorn, key, settings.events);
        answers.push(answer);
        if (answer.items.every(({ status }) => status === 202)) break;
        await pause(1_000);
      }
    };
    const [beside] = await Promise.all([quiet(), sendBatches()]);
    clearInterval(watch);
    const counted = await countLarge(posthorn);
    say(`beside   accept p99 ${beside.latencyMs.p99} ms; ingest ${Math.round(rssMb)} MB`);

    await tidyUp(posthorn);
    const after = await quiet();
    say(`alone    accept p99 ${after.latencyMs.p99} ms`);

    const all = answers.flatMap(({ items }) => items);
    const accepted = all.filter(({ status }) => status === 202).length;
    const answered = all.filter(({ status, code, detail }) => status === 202 || (code && detail)).length;
    const aloneP99 = Math.max(before.latencyMs.p99, after.latencyMs.p99);
    const lost: string[] = [];
    const refusedQuiet = [before, beside, after].map(({ refused }) => JSON.stringify(refused));
    if (counted.deliveries !== counted.events * settings.endpoints)
      lost.push(`${counted.events} events of the large customer have ${counted.deliveries} deliveries`);
    return {
      lost,
      targets: [
        atMost('accept p99 of quiet customers beside, alone = 1', beside.latencyMs.p99 / aloneP99, 2),
        atMost('RSS of ingest, peak', rssMb, 700, ' MB'),
        atLeast('events of the batches answered, each accepted or with a reason', answered, all.length),
        atLeast('events of the large customer accepted', counted.events, 1),
      ],
      tables: [
        {
          title: `${settings['quiet-rate']} single events/s of ${settings['quiet-customers']} quiet customers, ms from request to answer`,
          columns: ['', 'accepted', 'refused', 'p50', 'p95', 'p99', 'max'],
          rows: [
            stretchRow('alone, before', before),
            stretchRow('beside', beside),
            stretchRow('alone, after', after),
          ],
        },
        {
          title: `${settings.events} events in a batch × ${settings.endpoints} endpoints, sent again until accepted`,
          columns: [
            'batches',
            's each p50',
            'events accepted',
            'refused',
            'committed events',
            'deliveries',
            'deliveries/s',
          ],
          rows: [
            [
              answers.length,
              rounded(percentiles(answers.map(({ seconds }) => seconds)).p50),
              accepted,
              all.length - accepted,
              counted.events,
              counted.deliveries,
              Math.round(counted.deliveries / settings.seconds),
            ],
          ],
        },
        {
          title: 'Memory',
          columns: ['', 'idle MB', 'peak MB'],
          rows: [
            ['ingest', Math.round(rssIdleMb), Math.round(rssMb)],
            [
              'ingest, by the kernel',
              '',
              Math.round(readProcessUsage(posthorn.ingest.pid).rssPeakBytes / MB),
            ],
          ],
        },
      ],
      charts: [],
      data: { before, beside, after, refusedQuiet, reasons: reasonsOf(all), rssIdleMb, rssMb, counted },
    };
  },
});

/** Straight into the table: made by the API, as many take longer than all that is measured. */
async function addLargeCustomer({ call, pool }: Posthorn, url: string, endpoints: number): Promise<void> {
  await call('PUT', `/v1/customers/${LARGE}`, { limits: { maxEndpoints: endpoints } });
  const ids = Array.from({ length: endpoints }, () => createUuidV7(Date.now()));
  await pool.query(
    `INSERT INTO endpoint (id, customer_id, url, event_types) SELECT id, $1, $2, '{*}' FROM unnest($3::uuid[]) AS id`,
    [LARGE, url, ids],
  );
}

async function sendBatch({ ingest, apiKey }: Posthorn, key: string, events: number): Promise<Answer> {
  const startedMs = performance.now();
  const response = await request(`${ingest.origin}/v1/events/batch`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${apiKey}`,
      'content-type': 'application/json',
      'idempotency-key': key,
    },
    body: JSON.stringify({
      events: Array.from({ length: events }, (_, index) => ({
        customerId: LARGE,
        type: 'invoice.paid',
        data: { index },
      })),
    }),
  });
  const answer = (await response.body.json()) as BatchItem & { results?: BatchItem[] };
  const seconds = (performance.now() - startedMs) / 1000;
  if (answer.results) return { items: answer.results, seconds };
  const { code, detail } = answer;
  const item = { status: response.statusCode, ...(code && { code }), ...(detail && { detail }) };
  return { items: Array.from({ length: events }, () => item), seconds };
}

async function countLarge({ pool }: Posthorn): Promise<{ events: number; deliveries: number }> {
  const { rows } = await pool.query<{ events: number; deliveries: number }>(
    `SELECT (SELECT count(*)::int FROM event WHERE customer_id = $1) AS events,
            (SELECT count(*)::int FROM delivery WHERE customer_id = $1) AS deliveries`,
    [LARGE],
  );
  return rows[0] ?? { events: 0, deliveries: 0 };
}

function stretchRow(name: string, { accepted, refused, latencyMs: { p50, p95, p99, max } }: LoadReport) {
  const refusals = Object.values(refused).reduce((sum, count) => sum + count, 0);
  return [name, accepted, refusals, p50, p95, p99, max];
}

function reasonsOf(items: readonly BatchItem[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { status, code = '', detail = '' } of items) {
    const reason = `${status} ${code} ${detail}`.trim();
    counts[reason] = (counts[reason] ?? 0) + 1;
  }
  return counts;
}
