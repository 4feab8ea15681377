import { gzipSync } from 'node:zlib';
import { buildEnvelope, createUuidV7, deliveryIdOf, encodeId } from '@posthorn/domain';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { createTestDatabase, type TestDatabase } from '@posthorn/testing';
import { startTestConsole, type TestConsole } from './test-support/test-console.js';

const nowMs = Date.now();
let testDatabase: TestDatabase;
let app: TestConsole;

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
  await app.putCustomer('acme');
  await app.putCustomer('other');
});

describe('GET /v1/events/{eventId}', () => {
  it('answers with the payload as it was received, byte for byte, and the deliveries', async () => {
    const dataSource =
      '{"n":12345678901234567890,"f":1.0, "b":1, "a":"\\u00e9\\/é",\n "dup":1,"dup":2,"e":1E5}';
    const event = await insertEvent({ dataSource });
    const endpointId = await insertEndpoint('acme');
    const delivery = await insertDelivery({ eventId: event.uuid, endpointId });
    const answer = await app.admin.get(`/v1/events/${event.id}`).expect(200);
    expect(answer.type).toBe('application/json');
    expect(answer.text).toContain(`"data":${dataSource},"deliveries":`);
    expect(answer.body).toMatchObject({
      id: event.id,
      customerId: 'acme',
      type: 'invoice.paid',
      externalId: null,
      timestamp: '2026-01-01T00:00:00.000Z',
      acceptedAt: new Date(nowMs).toISOString(),
      deliveryCount: 1,
      test: false,
      deliveries: [
        { id: delivery.id, eventId: event.id, endpointId: encodeId('ep', endpointId), status: 'delivered' },
      ],
    });
  });

  it.each(['null', '"data"', '[]', '{"data":{"data":1}}', '0'])(
    'gives back data that is %s',
    async (dataSource) => {
      const event = await insertEvent({ dataSource });
      const { text } = await app.admin.get(`/v1/events/${event.id}`).expect(200);
      expect(text).toContain(`,"data":${dataSource},"deliveries":[]}`);
    },
  );
});

describe('GET /v1/events', () => {
  it('lists in pages, newest first, filtered by customer, type and time', async () => {
    const one = await insertEvent({ atMs: nowMs, type: 'a.b' });
    const two = await insertEvent({ atMs: nowMs, type: 'a.c' });
    const three = await insertEvent({ atMs: nowMs + 1000, type: 'a.b' });
    await insertEvent({ atMs: nowMs + 2000, customerId: 'other', type: 'a.b' });

    expect(await eventIds('customerId=acme')).toEqual([three.id, two.id, one.id]);
    expect(await eventIds('customerId=acme&type=a.b')).toEqual([three.id, one.id]);
    const since = new Date(nowMs + 1000).toISOString();
    expect(await eventIds(`customerId=acme&since=${since}`)).toEqual([three.id]);
    expect(await eventIds(`customerId=acme&until=${since}`)).toEqual([two.id, one.id]);

    const first = await app.admin.get('/v1/events?customerId=acme&limit=2').expect(200);
    expect(first.body.data[0]).not.toHaveProperty('data');
    expect(await eventIds(`customerId=acme&cursor=${first.body.nextCursor}`)).toEqual([one.id]);
  });

  it('refuses parameters it does not know or cannot read', async () => {
    for (const query of [
      'status=x',
      'since=yesterday',
      'cursor=AAAA',
      'limit=0',
      'type=a..b',
      'customerId=a:b',
    ]) {
      const refused = await app.admin.get(`/v1/events?${query}`).expect(400);
      expect(refused.body.code).toBe('invalid_request');
    }
  });
});

describe('GET /v1/deliveries', () => {
  it('lists and filters', async () => {
    const endpointId = await insertEndpoint('acme');
    const event = await insertEvent({});
    const dead = await insertDelivery({ eventId: event.uuid, endpointId, status: 'dead_lettered' });
    const done = await insertDelivery({ endpointId, type: 'a.c' });
    const foreign = await insertDelivery({ endpointId: await insertEndpoint('other'), customerId: 'other' });
    const list = async (query: string) =>
      (await app.admin.get(`/v1/deliveries?${query}`).expect(200)).body.data.map(({ id }) => id).toSorted();
    const sorted = (...made: { id: string }[]) => made.map(({ id }) => id).toSorted();
    expect(await list('')).toEqual(sorted(dead, done, foreign));
    expect(await list('customerId=acme')).toEqual(sorted(dead, done));
    expect(await list(`endpointId=${encodeId('ep', endpointId)}`)).toEqual(sorted(dead, done));
    expect(await list(`endpointId=${encodeId('ep', endpointId)}&customerId=other`)).toEqual([]);
    expect(await list(`eventId=${event.id}`)).toEqual([dead.id]);
    expect(await list('status=dead_lettered')).toEqual([dead.id]);
    expect(await list('type=a.c')).toEqual([done.id]);
    await app.admin.get('/v1/deliveries?status=lost').expect(400);
    await app.admin.get('/v1/deliveries?endpointId=dlv_01h455vb4pex5vsknk084sn02q').expect(400);
  });

  it('shows one with every field of the contract', async () => {
    const endpointId = await insertEndpoint('acme');
    const { id } = await insertDelivery({ endpointId, status: 'dead_lettered' });
    const { body } = await app.admin.get(`/v1/deliveries/${id}`).expect(200);
    expect(body).toEqual({
      id,
      eventId: expect.stringMatching(/^evt_/),
      endpointId: encodeId('ep', endpointId),
      customerId: 'acme',
      type: 'invoice.paid',
      status: 'dead_lettered',
      waitingFor: null,
      reason: 'attempts_exhausted',
      attempts: 2,
      expiresAt: expect.any(String),
      nextAttemptAt: null,
      lastAttemptAt: null,
      lastResponseCode: 500,
      lastError: null,
      createdAt: expect.any(String),
      finishedAt: expect.any(String),
      test: false,
    });
  });
});

describe('what a pending delivery waits for', () => {
  const openUntil = (ms: number) => new Date(nowMs + ms);
  const sees = async (deliveryId: string) =>
    (await app.admin.get(`/v1/deliveries/${deliveryId}`).expect(200)).body.waitingFor;

  it('is found out when it is read, by its time and its endpoint', async () => {
    const endpointId = await insertEndpoint('acme');
    const { id, uuid } = await insertDelivery({ endpointId });
    const query = (text: string, values: unknown[] = []) => app.database.pool.query(text, values);
    const dueIn = (ms: number) =>
      query(
        `UPDATE delivery SET status = 'pending', reason = NULL, finished_at = NULL, waiting_for = 'retry',
                next_attempt_at = now() + $2 * interval '1 ms' WHERE id = $1`,
        [uuid, ms],
      );
    const keep = (columns: object) => {
      const health = { open_until: null, shut_until: null, epoch: 0, ...columns };
      return query(
        `INSERT INTO endpoint_health SELECT $1, $2, $3, 1, $4, false, 40.4, now()
         ON CONFLICT (endpoint_id) DO UPDATE
            SET epoch = excluded.epoch, open_until = excluded.open_until, shut_until = excluded.shut_until`,
        [endpointId, health.epoch, health.open_until, health.shut_until],
      );
    };
    await dueIn(60_000);
    expect(await sees(id)).toBe('retry');
    await dueIn(-30_000);
    expect(await sees(id)).toBe('concurrency');
    await query('UPDATE endpoint SET rate_limit_max = 1, rate_limit_per_seconds = 60 WHERE id = $1', [
      endpointId,
    ]);
    expect(await sees(id)).toBe('rate_limit');
    await keep({ open_until: openUntil(-1000) });
    expect(await sees(id)).toBe('breaker');
    const list = await app.admin.get(`/v1/deliveries?endpointId=${encodeId('ep', endpointId)}`).expect(200);
    expect(list.body.data).toMatchObject([{ id, waitingFor: 'breaker' }]);
    await query('UPDATE endpoint SET rate_limit_max = NULL, rate_limit_per_seconds = NULL WHERE id = $1', [
      endpointId,
    ]);
    await keep({ shut_until: openUntil(60_000) });
    expect(await sees(id)).toBe('rate_limit');
    // Seen of the endpoint as it was before.
    await keep({ open_until: openUntil(60_000), epoch: -1 });
    expect(await sees(id)).toBe('concurrency');
  });

  it('goes with the endpoint’s breaker and health score', async () => {
    const endpointId = await insertEndpoint('acme');
    const path = `/v1/endpoints/${encodeId('ep', endpointId)}`;
    const sound = { breaker: { state: 'closed', openUntil: null }, healthScore: 100 };
    expect((await app.admin.get(path).expect(200)).body).toMatchObject(sound);
    const until = openUntil(60_000);
    await app.database.pool.query(
      'INSERT INTO endpoint_health VALUES ($1, 0, $2, 1, NULL, false, 40.4, now())',
      [endpointId, until],
    );
    expect((await app.admin.get(path).expect(200)).body).toMatchObject({
      breaker: { state: 'open', openUntil: until.toISOString() },
      healthScore: 40,
    });
    await app.database.pool.query('UPDATE endpoint_health SET open_until = $1', [openUntil(-1000)]);
    const list = await app.admin.get('/v1/customers/acme/endpoints').expect(200);
    expect(list.body.data).toMatchObject([{ breaker: { state: 'half_open', openUntil: null } }]);
    const patched = await app.admin.patch(path).send({ url: 'https://b.example/' }).expect(200);
    expect(patched.body).toMatchObject(sound);
  });
});

describe('GET /v1/deliveries/{deliveryId}/attempts', () => {
  it('shows a compressed body in another charset as text, and says so', async () => {
    const event = await insertEvent({});
    const delivery = await insertDelivery({ eventId: event.uuid, endpointId: await insertEndpoint('acme') });
    await insertAttempt(delivery.uuid, 1, 500, {
      headers: { 'content-encoding': 'gzip', 'content-type': 'text/html; charset=Shift_JIS' },
      body: gzipSync(Buffer.from('8376838d834f', 'hex')),
    });
    const { body } = await app.admin.get(`/v1/deliveries/${delivery.id}/attempts`).expect(200);
    const response = { body: 'プログ', bodyKind: 'text', bodyNote: 'Decompressed from gzip.' };
    expect(body).toMatchObject({ data: [{ response }] });
  });

  it('lists attempts by number with what was sent and what came back', async () => {
    const event = await insertEvent({});
    const delivery = await insertDelivery({ eventId: event.uuid, endpointId: await insertEndpoint('acme') });
    await insertAttempt(delivery.uuid, 1, null);
    await insertAttempt(delivery.uuid, 2, 500);
    const { body } = await app.admin.get(`/v1/deliveries/${delivery.id}/attempts`).expect(200);
    expect(body).toEqual({
      data: [
        {
          number: 2,
          trigger: 'automatic',
          status: 'failed',
          responseCode: 500,
          latencyMs: 12,
          error: null,
          request: { headers: { 'webhook-id': event.id }, body: event.body },
          response: {
            headers: { server: 'x' },
            body: 'größer',
            bodyKind: 'text',
            bodyBytes: 8,
            bodyNote: null,
            truncated: true,
          },
          address: '192.0.2.1',
          resent: false,
          startedAt: expect.any(String),
          nextAttemptAt: null,
        },
        expect.objectContaining({
          number: 1,
          responseCode: null,
          error: { code: 'connection_refused', message: 'Refused' },
          response: null,
        }),
      ],
      nextCursor: null,
    });
    const first = await app.admin.get(`/v1/deliveries/${delivery.id}/attempts?limit=1`).expect(200);
    const second = await app.admin
      .get(`/v1/deliveries/${delivery.id}/attempts?limit=1&cursor=${first.body.nextCursor}`)
      .expect(200);
    expect(second.body.data.map(({ number }) => number)).toEqual([1]);
  });

  it('keeps a page of attempts with large bodies small, and goes on from there', async () => {
    const event = await insertEvent({ dataSource: JSON.stringify('x'.repeat(2_000_000)) });
    const delivery = await insertDelivery({ eventId: event.uuid, endpointId: await insertEndpoint('acme') });
    for (const number of [1, 2, 3]) await insertAttempt(delivery.uuid, number, 500);
    const first = await app.admin.get(`/v1/deliveries/${delivery.id}/attempts`).expect(200);
    expect(first.body.data).toHaveLength(2);
    const rest = await app.admin
      .get(`/v1/deliveries/${delivery.id}/attempts?cursor=${first.body.nextCursor}`)
      .expect(200);
    expect(rest.body).toMatchObject({ data: [{ number: 1 }], nextCursor: null });
  });
});

describe('who may', () => {
  it('needs a key with the scope read', async () => {
    const { paths } = await history();
    const writer = app.as(await app.createKey(['events:write']));
    for (const path of paths) {
      await app.anyone.get(path).expect(401);
      expect((await writer.get(path).expect(403)).body.code).toBe('forbidden');
    }
  });

  it('shows a restricted key its own history, and another’s as not there', async () => {
    const { paths, event, delivery, endpointId } = await history();
    const own = app.as(await app.createKey(['read'], 'acme'));
    for (const path of paths) await own.get(path).expect(200);
    expect((await own.get('/v1/events')).body.data).toMatchObject([{ id: event.id }]);
    expect((await own.get('/v1/deliveries')).body.data).toMatchObject([{ id: delivery.id }]);

    const foreign = app.as(await app.createKey(['read'], 'other'));
    expect((await foreign.get('/v1/events').expect(200)).body.data).toEqual([]);
    expect((await foreign.get('/v1/deliveries').expect(200)).body.data).toEqual([]);
    const hidden = [
      `/v1/events/${event.id}`,
      `/v1/deliveries/${delivery.id}`,
      `/v1/deliveries/${delivery.id}/attempts`,
      '/v1/events?customerId=acme',
      '/v1/deliveries?customerId=acme',
      `/v1/deliveries?endpointId=${encodeId('ep', endpointId)}`,
      `/v1/deliveries?eventId=${event.id}`,
    ];
    for (const path of hidden) await foreign.get(path).expect(404);
  });

  it('shows nothing of a customer that is being erased', async () => {
    const { paths } = await history();
    await app.database.pool.query(`UPDATE customer SET erased_at = now() WHERE id = 'acme'`);
    for (const path of paths.filter((path) => path.split('/').length > 3))
      await app.admin.get(path).expect(404);
    await app.admin.get('/v1/events?customerId=acme').expect(404);
    await app.admin.get('/v1/deliveries?customerId=acme').expect(404);
  });

  it('answers 404 for ids that are unknown or none', async () => {
    for (const path of [
      '/v1/events/evt_01h455vb4pex5vsknk084sn02q',
      '/v1/events/1',
      '/v1/deliveries/x',
      '/v1/deliveries/x/attempts',
    ]) {
      expect((await app.admin.get(path).expect(404)).body.code).toBe('not_found');
    }
  });
});

async function eventIds(query: string): Promise<string[]> {
  const { body } = await app.admin.get(`/v1/events?${query}`).expect(200);
  return body.data.map(({ id }) => id);
}

async function history() {
  const event = await insertEvent({});
  const endpointId = await insertEndpoint('acme');
  const delivery = await insertDelivery({ eventId: event.uuid, endpointId });
  const paths = [
    '/v1/events',
    `/v1/events/${event.id}`,
    '/v1/deliveries',
    `/v1/deliveries/${delivery.id}`,
    `/v1/deliveries/${delivery.id}/attempts`,
  ];
  return { event, endpointId, delivery, paths };
}

async function insertEvent(facts: {
  atMs?: number;
  customerId?: string;
  type?: string;
  dataSource?: string;
}) {
  const { atMs = nowMs, customerId = 'acme', type = 'invoice.paid', dataSource = '{}' } = facts;
  const uuid = createUuidV7(atMs);
  const id = encodeId('evt', uuid);
  const timestamp = '2026-01-01T00:00:00.000Z';
  const body = buildEnvelope({ id, type, timestamp, dataSource });
  await app.database.pool.query(`INSERT INTO event VALUES ($1, $2, $3, NULL, $4, $5, $6, 1)`, [
    uuid,
    customerId,
    type,
    timestamp,
    new Date(atMs),
    body,
  ]);
  return { uuid, id, body };
}

async function insertEndpoint(customerId: string): Promise<string> {
  const id = createUuidV7(nowMs);
  await app.database.pool.query(
    `INSERT INTO endpoint (id, customer_id, url, event_types) VALUES ($1, $2, 'https://a.example/', '{*}')`,
    [id, customerId],
  );
  return id;
}

async function insertDelivery(facts: {
  endpointId: string;
  eventId?: string;
  customerId?: string;
  type?: string;
  status?: string;
}) {
  const { eventId = createUuidV7(nowMs), endpointId, customerId = 'acme', type = 'invoice.paid' } = facts;
  const uuid = deliveryIdOf(eventId, endpointId);
  await app.database.pool.query(
    `INSERT INTO delivery (id, event_id, endpoint_id, customer_id, type, status, reason, attempts, last_response_code,
       expires_at, created_at, finished_at)
     VALUES ($1, $2, $3, $4, $5, $6::text, CASE WHEN $6 <> 'delivered' THEN 'attempts_exhausted' END, 2, 500, now(), now(), now())`,
    [uuid, eventId, endpointId, customerId, type, facts.status ?? 'delivered'],
  );
  return { uuid, id: encodeId('dlv', uuid) };
}

/** Without a response code it never got a response. */
async function insertAttempt(
  deliveryId: string,
  number: number,
  responseCode: number | null,
  response: { headers: Record<string, string>; body: Buffer } = {
    headers: { server: 'x' },
    body: Buffer.from('größer'),
  },
): Promise<void> {
  const answered = responseCode !== null;
  await app.database.pool.query(
    `INSERT INTO attempt (delivery_id, number, trigger, status, response_code, latency_ms, error_code, error_message,
       request_headers, response_headers, response_body, response_truncated, address, started_at)
     VALUES ($1, $2, 'automatic', 'failed', $3, 12, $4, $5, (SELECT json_build_object('webhook-id', $6::text)), $7, $8, $9,
       '192.0.2.1', now())`,
    [
      deliveryId,
      number,
      responseCode,
      answered ? null : 'connection_refused',
      answered ? null : 'Refused',
      await webhookId(deliveryId),
      answered ? JSON.stringify(response.headers) : null,
      answered ? response.body : null,
      answered,
    ],
  );
}

async function webhookId(deliveryId: string): Promise<string> {
  const { rows } = await app.database.pool.query<{ event_id: string }>(
    'SELECT event_id FROM delivery WHERE id = $1',
    [deliveryId],
  );
  return encodeId('evt', rows[0]!.event_id);
}
