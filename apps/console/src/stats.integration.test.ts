import { createUuidV7, encodeId, latencyBounds } from '@posthorn/domain';
import { createTestDatabase, type TestDatabase } from '@posthorn/testing';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { startTestConsole, type TestConsole } from './test-support/test-console.js';

const NOON_MS = Math.floor(Date.now() / 86_400_000) * 86_400_000 - 43_200_000;
const at = (minutes: number) => new Date(NOON_MS + minutes * 60_000).toISOString();

interface Bucket {
  startsAt: string;
  attempts: number;
  latencyMs: { p50: number; p95: number } | null;
  deliveries: object;
}

interface Stats {
  since: string;
  until: string;
  countedUntil: string;
  data: Bucket[];
}

let testDatabase: TestDatabase;
let app: TestConsole;
const endpoints: Record<string, string> = {};

beforeAll(async () => {
  testDatabase = await createTestDatabase();
  app = await startTestConsole(testDatabase.url);
});
afterAll(async () => {
  await app.close();
  await testDatabase.drop();
});
beforeEach(async () => {
  await app.clear();
  await app.database.pool.query('TRUNCATE statistic');
  for (const customerId of ['acme', 'other']) {
    await app.putCustomer(customerId);
    endpoints[customerId] = createUuidV7(Date.now());
    await app.database.pool.query(
      "INSERT INTO endpoint (id, customer_id, url, event_types) VALUES ($1, $2, 'https://x.example/', '{*}')",
      [endpoints[customerId], customerId],
    );
  }
});

/** As the background reader counts it. */
async function count(
  customerId: string,
  minutes: number,
  measure: string,
  latencyMs: number,
  n = 1,
): Promise<void> {
  for (const span of ['minute', 'hour', 'day']) {
    await app.database.pool.query(
      `INSERT INTO statistic AS s VALUES ($1, $2, $3, date_trunc($1, $4::timestamptz, 'UTC'), $5, $6, $7)
       ON CONFLICT (span, customer_id, endpoint_id, starts_at, measure, latency) DO UPDATE SET count = s.count + excluded.count`,
      [
        span,
        customerId,
        endpoints[customerId],
        at(minutes),
        measure,
        latencyBounds.filter((bound) => bound <= latencyMs).length,
        n,
      ],
    );
  }
}

const get = async (query: string, status = 200): Promise<Stats> =>
  (await app.admin.get(`/v1/stats?${query}`).expect(status)).body as unknown as Stats;

const filled = ({ data }: Stats) => data.filter(({ attempts }) => attempts > 0);

describe('GET /v1/stats', () => {
  it('answers with every bucket of the time asked for, and merges what falls into one', async () => {
    await count('acme', 0, 'success', 10, 90);
    await count('acme', 0, 'success', 200, 6);
    await count('acme', 0, 'failure', 1_000, 4);
    await count('acme', 1, 'dead_lettered', 0, 3);
    await count('acme', 1, 'cancelled', 0, 2);
    const minutes = await get(`customerId=acme&bucket=minute&since=${at(-1.5)}&until=${at(1.5)}`);
    expect(minutes).toMatchObject({ bucket: 'minute', since: at(-2), until: at(2) });
    expect(Date.parse(minutes.countedUntil)).not.toBeNaN();
    const nothing = { attempts: 0, successes: 0, failures: 0, latencyMs: null };
    const noEnds = { delivered: 0, deadLettered: 0, cancelled: 0 };
    expect(minutes.data).toEqual([
      { startsAt: at(-2), ...nothing, deliveries: noEnds },
      { startsAt: at(-1), ...nothing, deliveries: noEnds },
      {
        startsAt: at(0),
        attempts: 100,
        successes: 96,
        failures: 4,
        latencyMs: { p50: expect.any(Number), p95: expect.any(Number) },
        deliveries: { ...noEnds, delivered: 96 },
      },
      { startsAt: at(1), ...nothing, deliveries: { delivered: 0, deadLettered: 3, cancelled: 2 } },
    ]);
    const { p50, p95 } = minutes.data[2]!.latencyMs!;
    expect([p50 >= 9 && p50 <= 11, p95 >= 180 && p95 <= 220]).toEqual([true, true]);

    await count('acme', 59, 'failure', 5);
    const hours = await get(`customerId=acme&since=${at(0)}&until=${at(60)}`);
    expect(hours.data).toMatchObject([{ attempts: 101, deliveries: { delivered: 96, deadLettered: 3 } }]);
    const days = await get(`customerId=acme&bucket=day&since=${at(0)}&until=${at(1)}`);
    expect(days).toMatchObject({ since: at(-720), until: at(720), data: [{ attempts: 101 }] });
  });

  it('counts one endpoint, one customer, or everything', async () => {
    await count('acme', 0, 'success', 10, 3);
    await count('other', 0, 'success', 10, 4);
    const time = `since=${at(0)}&until=${at(1)}`;
    const attempts = async (query: string) => filled(await get(`${query}&${time}`))[0]?.attempts;
    expect(await attempts('customerId=acme')).toBe(3);
    expect(await attempts(`endpointId=${encodeId('ep', endpoints['other']!)}`)).toBe(4);
    expect(await attempts('')).toBe(7);
    await get(`customerId=acme&endpointId=${encodeId('ep', endpoints['other']!)}`, 404);
    await get('customerId=nobody', 404);
  });

  it('shows the time up to now when none is asked for', async () => {
    for (const [bucket, buckets] of [
      ['minute', 60],
      ['hour', 24],
      ['day', 30],
    ] as const) {
      const { data, until } = await get(`bucket=${bucket}`);
      expect(data).toHaveLength(buckets);
      expect(Date.parse(until)).toBeGreaterThan(Date.now() - 5_000);
    }
  });

  it('refuses times the wrong way round, too many buckets, and parameters it does not know', async () => {
    for (const query of [
      `since=${at(120)}&until=${at(0)}`,
      `bucket=minute&since=${at(-2_000)}&until=${at(0)}`,
      'bucket=second',
      'since=yesterday',
      'colour=red',
    ]) {
      expect(await get(query, 400)).toMatchObject({ code: 'invalid_request' });
    }
  });

  it('needs the scope read, and shows a restricted key its own', async () => {
    await count('acme', 0, 'success', 10, 3);
    await count('other', 0, 'success', 10, 4);
    const time = `since=${at(0)}&until=${at(1)}`;
    await app.anyone.get('/v1/stats').expect(401);
    await app
      .as(await app.createKey(['events:write']))
      .get('/v1/stats')
      .expect(403);
    await app
      .as(await app.createKey(['read']))
      .get('/v1/stats')
      .expect(200);
    const own = app.as(await app.createKey(['read'], 'acme'));
    const { body } = await own.get(`/v1/stats?${time}`).expect(200);
    expect(filled(body as unknown as Stats)).toMatchObject([{ attempts: 3 }]);
    await own.get(`/v1/stats?customerId=other&${time}`).expect(404);
    await own.get(`/v1/stats?endpointId=${encodeId('ep', endpoints['other']!)}`).expect(404);
  });
});
