import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { createLogger, createSecretBox } from '@posthorn/runtime';
import { createTestDatabase, type TestDatabase } from '@posthorn/testing';
import { type Database, openDatabase } from '../database.js';
import { createCustomerStore } from './customer-store.js';
import { type Endpoint, endpointSecretsMax, type EndpointSettings } from './endpoint-record.js';
import { createEndpointStore, type EndpointStore } from './endpoint-store.js';
import type { DeliveryEndpoint } from './read-for-delivery.js';

const settings: EndpointSettings = {
  url: 'https://acme.example/hooks',
  eventTypes: ['invoice.*'],
  description: 'Billing',
  headers: { Authorization: 'Bearer open-sesame', 'X-Team': 'billing' },
  signing: { scheme: 'standard' },
  retryPolicy: { preset: 'fast', maxAttempts: 3 },
  maxInFlight: 4,
  rateLimit: { max: 5, perSeconds: 1 },
};
const unknownId = '01890000-0000-7000-8000-000000000000';
const secretBox = createSecretBox([{ id: 'k1', key: randomBytes(32) }]);

let testDatabase: TestDatabase;
let database: Database;
let endpoints: EndpointStore;
let aheadMs: number;

beforeAll(async () => {
  testDatabase = await createTestDatabase();
  database = openDatabase({
    url: testDatabase.url,
    poolMax: 10,
    logger: createLogger({ level: 'silent', role: 'test' }),
  });
  const clock = { nowMs: () => Date.now() + aheadMs };
  endpoints = createEndpointStore({ prisma: database.prisma, secretBox, clock });
});
afterAll(async () => {
  await database.close();
  await testDatabase.drop();
});
beforeEach(async () => {
  aheadMs = 0;
  await database.pool.query('TRUNCATE customer CASCADE');
  await putCustomer('acme');
});

describe('create', () => {
  it('keeps the settings and shows the secret once', async () => {
    const outcome = await endpoints.create('acme', settings);
    if (outcome.kind !== 'created') throw new Error(outcome.kind);
    expect(outcome.secret).toMatch(/^whsec_[A-Za-z0-9+/]{43}=$/);

    const { headers, ...shown } = settings;
    const got = (await endpoints.get(outcome.endpoint.id))!;
    expect(got).toEqual(outcome.endpoint);
    expect(got).toMatchObject({
      ...shown,
      customerId: 'acme',
      status: 'enabled',
      disabledReason: null,
      headerNames: Object.keys(headers),
      secrets: [{ createdAt: expect.any(Date), expiresAt: null }],
    });
    expect(JSON.stringify(got)).not.toContain(outcome.secret);
  });

  it('leaves neither the secret nor a header value readable in the database', async () => {
    const { secret } = await create();
    const { rows } = await database.pool.query<{ stored: Buffer; text: string }>(
      `SELECT s.sealed || e.headers_sealed AS stored, e::text || s::text AS text
         FROM endpoint e JOIN endpoint_secret s ON s.endpoint_id = e.id`,
    );
    expect(rows).toHaveLength(1);
    const key = Buffer.from(secret.slice('whsec_'.length), 'base64');
    for (const plaintext of [Buffer.from(secret), key, Buffer.from('open-sesame'), Buffer.from('X-Team')]) {
      expect(rows[0]!.stored.includes(plaintext)).toBe(false);
      expect(rows[0]!.text).not.toContain(plaintext.toString('hex'));
      expect(rows[0]!.text).not.toContain(plaintext.toString('latin1'));
    }
  });

  it('holds the customer’s maximum when many are made at once, and counts deleted ones no more', async () => {
    await putCustomer('acme', 3);
    const outcomes = await Promise.all(Array.from({ length: 8 }, () => endpoints.create('acme', settings)));
    const created = outcomes.filter((outcome) => outcome.kind === 'created');
    expect(created).toHaveLength(3);
    expect(outcomes.filter(({ kind }) => kind === 'limit_reached')).toHaveLength(5);

    await remove(created[0]!.endpoint.id);
    expect(await endpoints.create('acme', settings)).toMatchObject({ kind: 'created' });
    expect(await endpoints.create('acme', settings)).toEqual({ kind: 'limit_reached', maxEndpoints: 3 });
  });

  it('holds the default where the customer has none, and leaves what is there already', async () => {
    const { prisma } = database;
    const limited = createEndpointStore({ prisma, secretBox, clock: { nowMs: Date.now }, endpointsMax: 3 });
    await create();
    await create();
    const outcomes = await Promise.all(Array.from({ length: 6 }, () => limited.create('acme', settings)));
    expect(outcomes.filter(({ kind }) => kind === 'created')).toHaveLength(1);
    await create();
    expect(await limited.create('acme', settings)).toEqual({ kind: 'limit_reached', maxEndpoints: 3 });
    expect((await limited.list({ customerId: 'acme', limit: 10, before: null })).items).toHaveLength(4);
    await putCustomer('acme', 5);
    expect(await limited.create('acme', settings)).toMatchObject({ kind: 'created' });
  });

  it('takes 500 for the default', async () => {
    await database.pool.query(
      `INSERT INTO endpoint (id, customer_id, url, event_types)
       SELECT gen_random_uuid(), 'acme', 'https://a.example/', '{*}' FROM generate_series(1, 499)`,
    );
    await create();
    expect(await endpoints.create('acme', settings)).toEqual({ kind: 'limit_reached', maxEndpoints: 500 });
  });

  it('makes nothing for a customer that is unknown or erased', async () => {
    expect(await endpoints.create('nobody', settings)).toEqual({ kind: 'unknown_customer' });
    await database.pool.query('UPDATE customer SET erased_at = now()');
    expect(await endpoints.create('acme', settings)).toEqual({ kind: 'unknown_customer' });
  });
});

describe('get, list, customerOf', () => {
  it('lists a customer’s endpoints in pages, newest first, without deleted ones', async () => {
    await putCustomer('other');
    await endpoints.create('other', settings);
    const ids: string[] = [];
    for (let n = 0; n < 6; n++) ids.push((await create()).endpoint.id);
    await remove(ids[2]!);

    const first = await endpoints.list({ customerId: 'acme', limit: 3, before: null });
    const second = await endpoints.list({ customerId: 'acme', limit: 3, before: first.next });
    expect(first.items.map(({ id }) => id)).toEqual([ids[5], ids[4], ids[3]]);
    expect(second.items.map(({ id }) => id)).toEqual([ids[1], ids[0]]);
    expect(second.next).toBeNull();
  });

  it('does not show deleted endpoints or those of an erased customer, yet knows a deleted one’s owner', async () => {
    const { id } = (await create()).endpoint;
    const other = (await create()).endpoint;
    await remove(id);
    expect(await endpoints.get(id)).toBeNull();
    expect(await endpoints.customerOf(id)).toBe('acme');
    await database.pool.query('UPDATE customer SET erased_at = now()');
    expect(await endpoints.get(other.id)).toBeNull();
    expect(await endpoints.customerOf(other.id)).toBeNull();
    expect(await endpoints.get(unknownId)).toBeNull();
  });
});

describe('patch', () => {
  it('changes what it is told to and keeps the rest, header values included', async () => {
    const { endpoint } = await create();
    const patched = await endpoints.patch(endpoint.id, (current) => {
      expect(current).toEqual(settings);
      return {
        ...current,
        url: 'https://acme.example/v2',
        headers: { ...current.headers, 'X-More': '1' },
        retryPolicy: null,
        rateLimit: null,
      };
    });
    expect(patched).toMatchObject({
      url: 'https://acme.example/v2',
      retryPolicy: null,
      rateLimit: null,
      maxInFlight: 4,
      headerNames: ['Authorization', 'X-Team', 'X-More'],
    });
    expect(await readReady(endpoint.id)).toMatchObject({ headers: { ...settings.headers, 'X-More': '1' } });
  });

  it('loses nothing when two change it at the same time', async () => {
    const { endpoint } = await create();
    const names = Array.from({ length: 6 }, (_, n) => `X-${n}`);
    await Promise.all(
      names.map((name) =>
        endpoints.patch(endpoint.id, (current) => ({
          ...current,
          headers: { ...current.headers, [name]: '1' },
        })),
      ),
    );
    expect((await endpoints.get(endpoint.id))!.headerNames).toEqual(expect.arrayContaining(names));
  });

  it('leaves everything as it was when the change is refused', async () => {
    const { endpoint } = await create();
    const refusal = new Error('refused');
    const refused = endpoints.patch(endpoint.id, () => {
      throw refusal;
    });
    await expect(refused).rejects.toBe(refusal);
    expect(await endpoints.get(endpoint.id)).toEqual(endpoint);
  });

  it('moves the routes’ version when routing changes, and not when it does not', async () => {
    const { endpoint } = await create();
    const version = async () => (await endpoints.readRoutes('acme'))!.endpointsVersion;
    const before = await version();
    await endpoints.patch(endpoint.id, (current) => ({
      ...current,
      description: 'Other',
      url: 'https://b.example/',
    }));
    expect(await version()).toBe(before);
    await endpoints.patch(endpoint.id, (current) => ({ ...current, eventTypes: ['*'] }));
    expect(await version()).toBeGreaterThan(before);
  });

  it('answers null for what is not there', async () => {
    expect(await endpoints.patch(unknownId, (current) => current)).toBeNull();
  });
});

describe('signing', () => {
  it.each<EndpointSettings['signing']>([
    { scheme: 'standard' },
    { scheme: 'timestamped' },
    { scheme: 'digest', algorithm: 'sha256' },
    { scheme: 'digest', algorithm: 'sha512' },
  ])('is kept and changed to %j, for attempts too', async (signing) => {
    const created = await endpoints.create('acme', { ...settings, signing });
    expect(created).toMatchObject({ endpoint: { signing } });
    const { endpoint } = await create();
    await endpoints.patch(endpoint.id, (current) => ({ ...current, signing: { scheme: 'timestamped' } }));
    const patched = await endpoints.patch(endpoint.id, (current) => ({ ...current, signing }));
    expect(patched?.signing).toEqual(signing);
    expect((await readReady(endpoint.id)).signing).toEqual(signing);
  });
});

describe('rotateSecret', () => {
  it('lists the secrets from the newest to the oldest, whichever expires first', async () => {
    const { endpoint, secret: first } = await create();
    const rotate = async (overlapSeconds: number) => {
      const rotated = await endpoints.rotateSecret(endpoint.id, { overlapSeconds });
      if (rotated.kind !== 'rotated') throw new Error(rotated.kind);
      return rotated.secret;
    };
    const second = await rotate(7200);
    const third = await rotate(60);
    expect((await readReady(endpoint.id)).secrets.map(({ value }) => value)).toEqual([third, second, first]);
  });

  it('lets the old secret sign along until the overlap is over, the new one first', async () => {
    const { endpoint, secret: first } = await create();
    const rotated = await endpoints.rotateSecret(endpoint.id, { overlapSeconds: 3600 });
    if (rotated.kind !== 'rotated') throw new Error(rotated.kind);
    expect(rotated.secret).not.toBe(first);

    const { secrets } = await readReady(endpoint.id);
    expect(secrets).toEqual([
      { value: rotated.secret, expiresAt: null },
      { value: first, expiresAt: rotated.previousExpiresAt },
    ]);
    expect(Math.abs(rotated.previousExpiresAt!.getTime() - Date.now() - 3_600_000)).toBeLessThan(60_000);
    expect((await endpoints.get(endpoint.id))!.secrets.map(({ expiresAt }) => expiresAt)).toEqual([
      null,
      rotated.previousExpiresAt,
    ]);

    aheadMs = 3_601_000;
    expect((await readReady(endpoint.id)).secrets).toEqual([{ value: rotated.secret, expiresAt: null }]);
    expect((await endpoints.get(endpoint.id))!.secrets).toHaveLength(1);
  });

  it('leaves the new secret alone at once without an overlap, whatever signed before', async () => {
    const { endpoint } = await create();
    await endpoints.rotateSecret(endpoint.id, { overlapSeconds: 3600 });
    const secret = `whsec_${randomBytes(24).toString('base64')}`;
    const rotated = await endpoints.rotateSecret(endpoint.id, { overlapSeconds: 0, secret });
    expect(rotated).toMatchObject({ kind: 'rotated', secret, previousExpiresAt: null });
    expect((await readReady(endpoint.id)).secrets).toEqual([{ value: secret, expiresAt: null }]);
    const { rowCount } = await database.pool.query('SELECT FROM endpoint_secret');
    expect(rowCount).toBe(1);
  });

  it('bounds how many sign at once, also under concurrent rotations; expired ones do not count', async () => {
    const { endpoint } = await create();
    const rotate = () => endpoints.rotateSecret(endpoint.id, { overlapSeconds: 3600 });
    const outcomes = await Promise.all(Array.from({ length: endpointSecretsMax + 2 }, rotate));
    expect(outcomes.filter(({ kind }) => kind === 'rotated')).toHaveLength(endpointSecretsMax - 1);
    expect(await rotate()).toEqual({ kind: 'too_many_secrets' });
    expect((await readReady(endpoint.id)).secrets).toHaveLength(endpointSecretsMax);
    aheadMs = 3_601_000;
    expect(await rotate()).toMatchObject({ kind: 'rotated' });
  });

  it('answers for an unknown endpoint', async () => {
    expect(await endpoints.rotateSecret(unknownId, { overlapSeconds: 0 })).toEqual({
      kind: 'unknown_endpoint',
    });
  });
});

describe('readForDelivery', () => {
  it('opens what an attempt needs, in one batch, and leaves out what takes nothing any more', async () => {
    await database.pool.query('UPDATE customer SET max_in_flight = 9');
    const one = await create();
    const two = await create();
    const deleted = await create();
    await remove(deleted.endpoint.id);
    await database.pool.query(`UPDATE endpoint SET status = 'paused' WHERE id = $1`, [two.endpoint.id]);

    const read = await endpoints.readForDelivery(
      [one, two, deleted].map(({ endpoint }) => endpoint.id).concat(unknownId),
    );
    expect([...read.keys()].sort()).toEqual([one.endpoint.id, two.endpoint.id]);
    expect(read.get(one.endpoint.id)).toEqual({
      kind: 'ready',
      endpoint: {
        id: one.endpoint.id,
        customerId: 'acme',
        url: settings.url,
        status: 'enabled',
        headers: settings.headers,
        signing: settings.signing,
        secrets: [{ value: one.secret, expiresAt: null }],
        oneShots: null,
        retryPolicy: settings.retryPolicy,
        maxInFlight: 4,
        rateLimit: settings.rateLimit,
        healthEpoch: 0,
        customer: { maxInFlight: 9, rateLimit: null },
      },
    });
    expect(read.get(two.endpoint.id)).toMatchObject({ endpoint: { status: 'paused' } });

    await database.pool.query('UPDATE customer SET erased_at = now()');
    expect((await endpoints.readForDelivery([one.endpoint.id])).size).toBe(0);
  });

  it('does not open a secret that was moved to another endpoint, and the others of the batch are read', async () => {
    const one = await create();
    const two = await create();
    await database.pool.query(
      `UPDATE endpoint_secret SET sealed = (SELECT sealed FROM endpoint_secret WHERE endpoint_id = $1) WHERE endpoint_id = $2`,
      [one.endpoint.id, two.endpoint.id],
    );
    const read = await endpoints.readForDelivery([one.endpoint.id, two.endpoint.id]);
    expect(read.get(one.endpoint.id)).toMatchObject({ kind: 'ready' });
    expect(read.get(two.endpoint.id)).toMatchObject({
      kind: 'unreadable',
      status: 'enabled',
      error: { code: 'not_authentic' },
    });
  });
});

describe('an endpoint that Posthorn made for itself', () => {
  it('is delivered to, but not shown and not counted, and is told apart where events are fanned out', async () => {
    await putCustomer('acme', 1);
    const { id } = (await create()).endpoint;
    await database.pool.query("UPDATE endpoint SET kind = 'notification' WHERE id = $1", [id]);
    expect(await endpoints.get(id)).toBeNull();
    expect(await endpoints.patch(id, (current) => current)).toBeNull();
    expect((await endpoints.list({ customerId: 'acme', limit: 10, before: null })).items).toEqual([]);
    expect((await endpoints.readRoutes('acme'))!.endpoints).toMatchObject([{ id, kind: 'notification' }]);
    expect((await endpoints.create('acme', settings)).kind).toBe('created');
    expect((await endpoints.readForDelivery([id])).get(id)).toMatchObject({ kind: 'ready' });
  });
});

describe('readRoutes', () => {
  it('tells the version with every endpoint that is not deleted, paused ones too', async () => {
    const none = (await endpoints.readRoutes('acme'))!;
    expect(none.endpoints).toEqual([]);
    const one = (await create()).endpoint;
    const two = (await create()).endpoint;
    await remove((await create()).endpoint.id);
    await database.pool.query(`UPDATE endpoint SET status = 'paused' WHERE id = $1`, [two.id]);
    const route = { kind: 'registered', eventTypes: settings.eventTypes, retryPolicy: settings.retryPolicy };
    expect(await endpoints.readRoutes('acme')).toEqual({
      endpointsVersion: none.endpointsVersion + 5,
      endpoints: [
        { id: one.id, status: 'enabled', ...route },
        { id: two.id, status: 'paused', ...route },
      ],
    });
  });

  it('never pairs a version with the endpoints of another', async () => {
    const { endpointsVersion: first } = (await endpoints.readRoutes('acme'))!;
    const writing = { done: false };
    const writer = (async () => {
      for (let n = 0; n < 40; n++) await create();
      writing.done = true;
    })();
    const read = new Set<number>();
    while (!writing.done) {
      const routes = (await endpoints.readRoutes('acme'))!;
      // Nothing but creations here, and each moves the version by one.
      expect(routes.endpoints).toHaveLength(routes.endpointsVersion - first);
      read.add(routes.endpointsVersion);
    }
    await writer;
    expect(read.size).toBeGreaterThan(5);
  });

  it('is null for an unknown customer and an erased one', async () => {
    expect(await endpoints.readRoutes('nobody')).toBeNull();
    await database.pool.query('UPDATE customer SET erased_at = now()');
    expect(await endpoints.readRoutes('acme')).toBeNull();
  });
});

async function putCustomer(id: string, maxEndpoints: number | null = null): Promise<void> {
  const rest = { name: null, metadata: null, notificationUrl: null, maxInFlight: null, rateLimit: null };
  await createCustomerStore(database).put(id, { ...rest, maxEndpoints });
}

async function create(): Promise<{ endpoint: Endpoint; secret: string }> {
  const outcome = await endpoints.create('acme', settings);
  if (outcome.kind !== 'created') throw new Error(outcome.kind);
  return outcome;
}

async function remove(id: string): Promise<void> {
  await database.pool.query('UPDATE endpoint SET deleted_at = now() WHERE id = $1', [id]);
}

async function readReady(id: string): Promise<DeliveryEndpoint> {
  const read = (await endpoints.readForDelivery([id])).get(id);
  if (read?.kind !== 'ready') throw new Error('not ready');
  return read.endpoint;
}
