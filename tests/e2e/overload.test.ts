import {
  createTestDatabase,
  startReceiver,
  testRedis,
  waitUntil,
  type TestDatabase,
} from '@posthorn/testing';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { readFile } from 'node:fs/promises';
import http from 'node:http';

import { addEndpoint, postEvent, startPosthorn, type Posthorn } from './support/start-posthorn.js';

const CONNECTIONS = 2_000;
const ITEMS = 21;
const FLOOD_MS = 4_000;
/** Each within its share of a commit, together far beyond what can be committed. */
const CUSTOMERS = Array.from({ length: 40 }, (_, n) => `acme-${n}`);

let database: TestDatabase;
let redis: ReturnType<typeof testRedis>;
let receiver: Awaited<ReturnType<typeof startReceiver>>;
let posthorn: Posthorn;

beforeAll(async () => {
  database = await createTestDatabase();
  redis = testRedis();
  receiver = await startReceiver();
  posthorn = await startPosthorn({
    databaseUrl: database.url,
    redisUrl: redis.url,
    env: { POSTHORN_QUEUE_PREFIX: redis.prefix, POSTHORN_LOG_LEVEL: 'info' },
  });
  for (const customerId of CUSTOMERS)
    await addEndpoint(posthorn, customerId, { url: receiver.url, eventTypes: ['invoice.*'] });
  await postEvent(posthorn, 'acme-0');
}, 300_000);
afterAll(async () => {
  await posthorn.stop();
  await receiver.close();
  await database.drop();
  await redis.drop();
});

/** One event that is delivered, and twenty that nobody listens to. */
const batches = CUSTOMERS.map((customerId) =>
  JSON.stringify({
    events: Array.from({ length: ITEMS }, (_, n) => ({
      customerId,
      type: n === 0 ? 'invoice.paid' : 'nobody.listens',
      data: { n },
    })),
  }),
);

interface Answer {
  status: number;
  retryAfter: string | undefined;
  text: string;
  latencyMs: number;
}

/** Leaves an open connection with the agent. */
function connect(agent: http.Agent): Promise<void> {
  return new Promise((resolve, reject) => {
    const request = http.get(`${posthorn.origin}/health`, { agent }, (response) => {
      response.resume().on('end', () => resolve());
    });
    request.on('error', reject);
  });
}

function post(agent: http.Agent, producer = 0): Promise<Answer> {
  const batch = batches[producer % batches.length] ?? '';
  const startedMs = performance.now();
  return new Promise((resolve, reject) => {
    const request = http.request(
      `${posthorn.origin}/v1/events/batch`,
      {
        agent,
        method: 'POST',
        headers: {
          authorization: `Bearer ${posthorn.adminKey}`,
          'content-type': 'application/json',
          'content-length': batch.length,
        },
      },
      (response) => {
        let text = '';
        response.on('data', (chunk: Buffer) => (text += chunk.toString()));
        response.on('error', reject);
        response.on('end', () =>
          resolve({
            status: response.statusCode ?? 0,
            retryAfter: response.headers['retry-after'],
            text,
            latencyMs: performance.now() - startedMs,
          }),
        );
      },
    );
    request.on('error', reject);
    request.end(batch);
  });
}

interface Ledger {
  accepted: number;
  delivered: number;
  unmatchedEvents: number;
}

const ledger = async () => (await posthorn.call<Ledger>('GET', '/v1/ledger')).body;

async function residentMb(): Promise<number> {
  const status = await readFile(`/proc/${posthorn.process.pid}/status`, 'utf8');
  return Math.round(Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) / 1024);
}

describe('a flood of far more than can be committed', () => {
  it('is refused with Retry-After where it is too much; what was accepted is delivered, and nothing falls over', async () => {
    const before = await residentMb();
    let most = before;
    const watch = setInterval(() => {
      residentMb().then(
        (now) => (most = Math.max(most, now)),
        () => undefined,
      );
    }, 200);
    const agent = new http.Agent({ keepAlive: true, maxSockets: CONNECTIONS });
    await Promise.all(Array.from({ length: CONNECTIONS }, () => connect(agent)));
    const answers: Answer[] = [];
    let flooding = true;
    const startedMs = performance.now();
    // Producers that do not care for Retry-After: each asks again as soon as it is answered.
    const producers = Array.from({ length: CONNECTIONS }, async (_, n) => {
      while (flooding) answers.push(await post(agent, n));
    });
    const health = waitUntil(
      async () => flooding && (await fetch(`${posthorn.origin}/health`)).status === 200,
      { timeoutMs: 60_000 },
    );
    const seen = (status: number) => answers.filter((answer) => answer.status === status);
    await waitUntil(
      () => performance.now() - startedMs > FLOOD_MS && seen(503).length >= 200 && seen(202).length >= 100,
      { timeoutMs: 90_000 },
    );
    await health;
    flooding = false;
    await Promise.all(producers);
    const tookMs = performance.now() - startedMs;
    clearInterval(watch);
    agent.destroy();

    const refused = seen(503);
    expect(answers.length).toBe(seen(202).length + refused.length);
    expect(refused.every(({ retryAfter }) => /^[1-5]$/.test(retryAfter ?? ''))).toBe(true);

    const results = seen(202).flatMap(
      ({ text }) => (JSON.parse(text) as { results: { status: number }[] }).results,
    );
    const accepted = results.filter(({ status }) => status === 202).length;
    const { accepted: deliveries, unmatchedEvents } = await ledger();
    expect(deliveries + unmatchedEvents).toBe(1 + accepted);

    const p99Of = (some: Answer[]): number => {
      const latencies = some.map(({ latencyMs }) => latencyMs).sort((a, b) => a - b);
      return Math.round(latencies[Math.floor(latencies.length * 0.99)] ?? 0);
    };
    // As this process sees them, which is as busy as the other: figures that count are the benchmarks'.
    process.stdout.write(
      `${CONNECTIONS} connections for ${Math.round(tookMs)} ms: ${answers.length} answers, ${refused.length} of them 503; ` +
        `${accepted} events accepted; p99 ${p99Of(seen(202))} ms accepted, ${p99Of(refused)} ms refused; ` +
        `${before} MB resident before, ${most} MB at most\n`,
    );
    expect(most).toBeLessThan(1_000);

    await waitUntil(async () => (await ledger()).delivered === deliveries, {
      timeoutMs: 120_000,
      intervalMs: 200,
    });
    // It takes events again without having been restarted.
    await waitUntil(async () => (await post(new http.Agent())).status === 202, { timeoutMs: 30_000 });
    expect(posthorn.output()).toContain('ingest.overloaded');
    // Said when it begins, not for each event.
    expect(posthorn.output().split('event.fan_out_refused').length).toBeLessThanOrEqual(2);
  }, 300_000);
});
