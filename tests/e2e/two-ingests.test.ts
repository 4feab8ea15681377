import { createTestDatabase, testRedis, type TestDatabase } from '@posthorn/testing';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';

import { startBeside } from './support/start-beside.js';
import { expectStatus, prepareDatabase, startPosthorn, type Posthorn } from './support/start-posthorn.js';

const ROUNDS = 10;
const KEYS = 100;

let database: TestDatabase;
let ingests: [Posthorn, Posthorn];

beforeAll(async () => {
  database = await createTestDatabase();
  await prepareDatabase(database.url);
  const first = await startPosthorn({ databaseUrl: database.url, redisUrl: testRedis().url });
  ingests = [first, await startBeside(first, ['ingest'])];
  await expectStatus(first.call('PUT', '/v1/customers/acme', {}), 201);
}, 300_000);
afterAll(async () => {
  await Promise.all(ingests.map((ingest) => ingest.stop()));
  await database.drop();
});

const eventOf = (key: string) => ({ customerId: 'acme', type: 'invoice.paid', data: { key } });

async function postBatch(ingest: Posthorn, keys: string[]): Promise<[string, string][]> {
  const events = keys.map((key) => ({ ...eventOf(key), externalId: key }));
  const { body } = await expectStatus(
    ingest.call<{ results: { status: number; id: string }[] }>('POST', '/v1/events/batch', { events }),
    202,
  );
  expect(body.results.filter(({ status }) => status !== 202)).toEqual([]);
  return body.results.map(({ id }, index) => [keys[index] ?? '', id]);
}

function postEach(ingest: Posthorn, keys: string[]): Promise<[string, string][]> {
  return Promise.all(
    keys.map(async (key): Promise<[string, string]> => {
      const { body } = await expectStatus(
        ingest.call<{ id: string }>('POST', '/v1/events', eventOf(key), { 'idempotency-key': key }),
        202,
      );
      return [key, body.id];
    }),
  );
}

/** Events of a customer without endpoints. */
async function eventsOf(customerId: string): Promise<number> {
  const { body } = await expectStatus(
    ingests[0].call<{ unmatchedEvents: number }>('GET', `/v1/ledger?customerId=${customerId}`),
    200,
  );
  return body.unmatchedEvents;
}

describe('two ingest processes that get the same keys at the same time, in opposite order', () => {
  it.each([
    ['in batches, as external ids', postBatch],
    ['in single requests, as idempotency keys', postEach],
  ])(
    '%s: make one event per key, and no caller hears of a deadlock',
    async (name, post) => {
      const before = await eventsOf('acme');
      for (let round = 0; round < ROUNDS; round += 1) {
        const keys = Array.from({ length: KEYS }, (_, index) => `${name} ${round} ${index}`);
        const [one, other] = await Promise.all([
          post(ingests[0], keys),
          post(ingests[1], [...keys].reverse()),
        ]);
        expect(new Map(other)).toEqual(new Map(one));
        expect(new Set(one.map(([, id]) => id)).size).toBe(KEYS);
      }
      expect((await eventsOf('acme')) - before).toBe(ROUNDS * KEYS);
      for (const ingest of ingests) expect(ingest.output()).not.toContain('deadlock');
    },
    300_000,
  );
});
