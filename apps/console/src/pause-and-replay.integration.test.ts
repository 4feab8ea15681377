import { createUuidV7, decodeId, deliveryIdOf, encodeId } from '@posthorn/domain';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { createTestDatabase, type TestDatabase, waitUntil } from '@posthorn/testing';
import { startTestConsole, type TestConsole } from './test-support/test-console.js';

const nowMs = Date.now();
let testDatabase: TestDatabase;
let app: TestConsole;
let endpointId: string;
let endpoint: string;

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
  app.enqueued.length = 0;
  await app.putCustomer('acme');
  await app.putCustomer('other');
  endpointId = await insertEndpoint('acme');
  endpoint = `/v1/endpoints/${encodeId('ep', endpointId)}`;
});

describe('POST /v1/endpoints/{endpointId}/pause, /resume and /enable', () => {
  it('pauses, holding what is pending, and releases it under the next generation when resumed', async () => {
    const pending = await insertDelivery({ status: 'pending' });
    const paused = await app.admin.post(`${endpoint}/pause`).expect(200);
    expect(paused.body).toMatchObject({ status: 'paused' });
    expect(await show(pending.id)).toMatchObject({
      status: 'held',
      reason: 'endpoint_paused',
      nextAttemptAt: null,
    });
    await app.admin.post(`${endpoint}/pause`).expect(200);

    const resumed = await app.admin.post(`${endpoint}/resume`).expect(200);
    expect(resumed.body).toMatchObject({ status: 'enabled' });
    expect(await show(pending.id)).toMatchObject({ status: 'pending', reason: null });
    expect(app.enqueued).toMatchObject([{ deliveryId: pending.uuid, generation: 2, customerId: 'acme' }]);
  });

  it('cancels what is held when asked to', async () => {
    const pending = await insertDelivery({ status: 'pending' });
    await app.admin.post(`${endpoint}/pause`).expect(200);
    await app.admin.post(`${endpoint}/resume`).send({ held: 'cancel' }).expect(200);
    expect(await show(pending.id)).toMatchObject({ status: 'cancelled', reason: 'held_cancelled' });
    expect(app.enqueued).toEqual([]);
  });

  it('enables only what is disabled, and resumes only what is paused', async () => {
    await app.database.pool.query(
      "UPDATE endpoint SET status = 'disabled', disabled_reason = 'gone' WHERE id = $1",
      [endpointId],
    );
    const held = await insertDelivery({ status: 'held' });
    for (const action of ['pause', 'resume']) {
      expect((await app.admin.post(`${endpoint}/${action}`).expect(409)).body.code).toBe('conflict');
    }
    const enabled = await app.admin.post(`${endpoint}/enable`).send({ held: 'release' }).expect(200);
    expect(enabled.body).toMatchObject({ status: 'enabled', disabledReason: null });
    expect(await show(held.id)).toMatchObject({ status: 'pending' });
    await app.admin.post(`${endpoint}/pause`).expect(200);
    await app.admin.post(`${endpoint}/enable`).expect(409);
  });

  it('refuses what it does not know', async () => {
    for (const body of [{ held: 'drop' }, { other: 1 }, []]) {
      expect((await app.admin.post(`${endpoint}/resume`).send(body).expect(400)).body.code).toBe(
        'invalid_request',
      );
    }
  });
});

describe('POST /v1/deliveries/{deliveryId}/replay', () => {
  it.each(['delivered', 'dead_lettered', 'cancelled'])('opens one again that is %s', async (status) => {
    const delivery = await insertDelivery({ status });
    const { body } = await app.admin.post(`/v1/deliveries/${delivery.id}/replay`).expect(200);
    expect(body).toMatchObject({
      id: delivery.id,
      status: 'pending',
      reason: null,
      finishedAt: null,
      attempts: 2,
    });
    expect(app.enqueued).toMatchObject([{ deliveryId: delivery.uuid, generation: 2 }]);
    expect(app.enqueued[0]).not.toMatchObject({ delayMs: expect.any(Number) });
  });

  it('brings one forward that waits, under the next generation', async () => {
    const delivery = await insertDelivery({ status: 'pending', inSeconds: 3600 });
    const { body } = await app.admin.post(`/v1/deliveries/${delivery.id}/replay`).expect(200);
    expect(Date.parse(body.nextAttemptAt)).toBeLessThanOrEqual(Date.now() + 1000);
    expect(app.enqueued).toMatchObject([{ deliveryId: delivery.uuid, generation: 2 }]);
  });

  it('refuses one that is due: it is being sent or about to be', async () => {
    const delivery = await insertDelivery({ status: 'pending' });
    const refused = await app.admin.post(`/v1/deliveries/${delivery.id}/replay`).expect(409);
    expect(refused.body.code).toBe('delivery_in_flight');
    expect(app.enqueued).toEqual([]);
  });

  it('holds one whose endpoint is paused, and releases one that was left held', async () => {
    const delivery = await insertDelivery({ status: 'dead_lettered' });
    await app.admin.post(`${endpoint}/pause`).expect(200);
    const path = `/v1/deliveries/${delivery.id}/replay`;
    expect((await app.admin.post(path).expect(200)).body).toMatchObject({ status: 'held', finishedAt: null });
    expect((await app.admin.post(path).expect(200)).body).toMatchObject({ status: 'held' });
    expect(app.enqueued).toEqual([]);
    await app.database.pool.query("UPDATE endpoint SET status = 'enabled' WHERE id = $1", [endpointId]);
    expect((await app.admin.post(path).expect(200)).body).toMatchObject({ status: 'pending' });
    expect(app.enqueued).toHaveLength(1);
  });

  it('refuses one whose endpoint is deleted, or whose event is too old', async () => {
    const delivery = await insertDelivery({ status: 'delivered' });
    await app.database.pool.query(
      "UPDATE delivery SET created_at = now() - interval '28 days' WHERE id = $1",
      [delivery.uuid],
    );
    const path = `/v1/deliveries/${delivery.id}/replay`;
    expect((await app.admin.post(path).expect(409)).body).toMatchObject({
      detail: expect.stringMatching(/old/),
    });
    await app.admin.delete(endpoint).expect(204);
    expect((await app.admin.post(path).expect(409)).body.code).toBe('conflict');
    expect(await show(delivery.id)).toMatchObject({ status: 'delivered' });
  });
});

describe('POST /v1/events/{eventId}/replay', () => {
  it('makes the delivery of an event that matched nothing, once', async () => {
    const event = await insertEvent();
    const body = { endpointId: encodeId('ep', endpointId) };
    const made = await app.admin.post(`/v1/events/${event.id}/replay`).send(body).expect(200);
    expect(made.body).toMatchObject({ eventId: event.id, status: 'pending', attempts: 0 });
    const again = await app.admin.post(`/v1/events/${event.id}/replay`).send(body).expect(200);
    expect(again.body.id).toBe(made.body.id);
    expect(app.enqueued).toMatchObject([{ deliveryId: decodeId('dlv', made.body.id), generation: 1 }]);
    expect((await app.admin.get('/v1/ledger?customerId=acme')).body).toMatchObject({
      accepted: 1,
      pending: 1,
      unmatchedEvents: 0,
    });
  });

  it('holds it when the endpoint is paused, and refuses a deleted one', async () => {
    const event = await insertEvent();
    const body = { endpointId: encodeId('ep', endpointId) };
    await app.admin.post(`${endpoint}/pause`).expect(200);
    const held = await app.admin.post(`/v1/events/${event.id}/replay`).send(body).expect(200);
    expect(held.body).toMatchObject({ status: 'held', reason: 'endpoint_paused' });
    await app.admin.delete(endpoint).expect(204);
    await app.admin.post(`/v1/events/${event.id}/replay`).send(body).expect(409);
  });

  it('knows only endpoints of the event’s customer', async () => {
    const event = await insertEvent();
    const foreign = { endpointId: encodeId('ep', await insertEndpoint('other')) };
    await app.admin.post(`/v1/events/${event.id}/replay`).send(foreign).expect(404);
    await app.admin.post(`/v1/events/${event.id}/replay`).send({}).expect(400);
    const unknown = encodeId('evt', createUuidV7(nowMs));
    await app.admin
      .post(`/v1/events/${unknown}/replay`)
      .send({ endpointId: encodeId('ep', endpointId) })
      .expect(404);
  });
});

describe('cancelling', () => {
  it('cancels one that is unfinished, and refuses a finished one', async () => {
    const pending = await insertDelivery({ status: 'pending' });
    const { body } = await app.admin.post(`/v1/deliveries/${pending.id}/cancel`).expect(200);
    expect(body).toMatchObject({ status: 'cancelled', reason: 'cancelled_by_request' });
    await app.admin.post(`/v1/deliveries/${pending.id}/cancel`).expect(409);
  });

  it('leaves a delivered one delivered when its replay is cancelled', async () => {
    const delivered = await insertDelivery({ status: 'delivered' });
    await app.admin.post(`/v1/deliveries/${delivered.id}/replay`).expect(200);
    const { body } = await app.admin.post(`/v1/deliveries/${delivered.id}/cancel`).expect(200);
    expect(body).toMatchObject({ status: 'delivered', finishedAt: delivered.finishedAt });
  });

  it('cancels by filter, and tells how many', async () => {
    const kept = await insertDelivery({ status: 'pending', type: 'a.b' });
    await insertDelivery({ status: 'pending' });
    await insertDelivery({ status: 'held' });
    await insertDelivery({ status: 'dead_lettered' });
    const cancel = async (filter: object) =>
      (
        await app.admin
          .post('/v1/deliveries/cancel')
          .send({ customerId: 'acme', ...filter })
          .expect(200)
      ).body;
    expect(await cancel({ until: new Date(nowMs - 60_000).toISOString() })).toEqual({
      matched: 0,
      cancelled: 0,
      more: false,
    });
    expect(await cancel({ type: 'invoice.paid', status: 'held' })).toEqual({
      matched: 1,
      cancelled: 1,
      more: false,
    });
    expect(await cancel({ type: 'invoice.paid', endpointId: encodeId('ep', endpointId) })).toEqual({
      matched: 1,
      cancelled: 1,
      more: false,
    });
    expect(await show(kept.id)).toMatchObject({ status: 'pending' });
    for (const body of [{}, { customerId: 'acme', status: 'delivered' }])
      await app.admin.post('/v1/deliveries/cancel').send(body).expect(400);
    await app.admin.post('/v1/deliveries/cancel').send({ customerId: 'nobody' }).expect(404);
    const another = { customerId: 'acme', endpointId: encodeId('ep', await insertEndpoint('other')) };
    await app.admin.post('/v1/deliveries/cancel').send(another).expect(404);
  });
});

describe('a dry run of a cancellation by filter', () => {
  const cancel = async (filter: object) =>
    (
      await app.admin
        .post('/v1/deliveries/cancel')
        .send({ customerId: 'acme', ...filter })
        .expect(200)
    ).body;

  it('counts what the call would cancel, by every filter, and changes nothing', async () => {
    await insertDelivery({ status: 'pending', type: 'a.b' });
    await insertDelivery({ status: 'pending' });
    await insertDelivery({ status: 'held' });
    await insertDelivery({ status: 'dead_lettered' });
    await insertDelivery({ status: 'cancelled' });
    await insertDelivery({ status: 'delivered' });
    const filters = {
      all: {},
      type: { type: 'a.b' },
      held: { status: 'held' },
      pending: { status: 'pending' },
      endpoint: { endpointId: encodeId('ep', endpointId) },
      past: { until: new Date(nowMs - 60_000).toISOString() },
      recent: { since: new Date(nowMs - 60_000).toISOString() },
    };
    const before = await rows();
    const counted: Record<string, unknown> = {};
    for (const [name, filter] of Object.entries(filters))
      counted[name] = await cancel({ ...filter, dryRun: true });
    const of = (matched: number) => ({ matched, cancelled: 0, more: false });
    expect(counted).toEqual({
      all: of(3),
      type: of(1),
      held: of(1),
      pending: of(2),
      endpoint: of(3),
      past: of(0),
      recent: of(3),
    });
    expect(await rows()).toEqual(before);
    expect(await cancel({})).toEqual({ matched: 3, cancelled: 3, more: false });
  });

  it('refuses what the call would refuse', async () => {
    const another = { customerId: 'acme', endpointId: encodeId('ep', await insertEndpoint('other')) };
    for (const [body, status] of [
      [{ customerId: 'nobody' }, 404],
      [another, 404],
      [{ customerId: 'acme', status: 'delivered' }, 400],
      [{ customerId: 'acme', dryRun: 'yes' }, 400],
    ] as const)
      await app.admin
        .post('/v1/deliveries/cancel')
        .send({ dryRun: true, ...body })
        .expect(status);
  });
});

describe('GET /v1/ledger', () => {
  it('counts what events promised apart from what became of it', async () => {
    await insertEvent(2);
    await insertEvent(0);
    await insertDelivery({ status: 'delivered' });
    const all = { delivered: 1, pending: 0, held: 0, deadLettered: 0, cancelled: 0 };
    expect((await app.admin.get('/v1/ledger').expect(200)).body).toEqual({
      accepted: 2,
      ...all,
      unmatchedEvents: 1,
    });
    const ofEndpoint = `/v1/ledger?endpointId=${encodeId('ep', endpointId)}`;
    expect((await app.admin.get(ofEndpoint).expect(200)).body).toEqual({
      accepted: 1,
      ...all,
      unmatchedEvents: null,
    });
    const later = new Date(nowMs + 60_000).toISOString();
    expect((await app.admin.get(`/v1/ledger?since=${later}`).expect(200)).body).toMatchObject({
      accepted: 0,
      delivered: 0,
    });
    expect((await app.admin.get('/v1/ledger?customerId=other').expect(200)).body).toMatchObject({
      accepted: 0,
    });
    await app.admin.get('/v1/ledger?status=held').expect(400);
  });

  it('leaves connections to everybody else, however many are asked for and however long they take', async () => {
    const holder = await app.database.pool.connect();
    await holder.query('BEGIN; LOCK TABLE event');
    const answered: string[] = [];
    const asked = Array.from({ length: 60 }, async () => {
      const { body } = await app.admin.get('/v1/ledger');
      answered.push('code' in body ? body.code : 'counted');
    });
    const counting = async () =>
      (
        await app.database.pool.query<{ n: number }>(
          "SELECT count(*)::int AS n FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'",
        )
      ).rows[0]!.n;
    // One is counted, five wait.
    await waitUntil(() => answered.length === 54);
    await waitUntil(async () => (await counting()) === 1);
    expect(answered).toEqual(Array<string>(54).fill('rate_limited'));
    expect((await app.admin.get('/v1/customers').expect(200)).body.data).not.toEqual([]);
    expect(await counting()).toBe(1);
    await holder.query('ROLLBACK');
    holder.release();
    await Promise.all(asked);
    expect(answered.filter((answer) => answer === 'counted')).toHaveLength(6);
  });
});

describe('who may', () => {
  it('needs a key with the scope of the operation', async () => {
    const { paths } = await history();
    const writer = app.as(await app.createKey(['events:write']));
    for (const [path, body] of paths) {
      await app.anyone.post(path).send(body).expect(401);
      await writer.post(path).send(body).expect(403);
    }
    await writer.get('/v1/ledger').expect(403);
  });

  it('answers a key of another customer as if nothing were there, and changes nothing', async () => {
    const { paths, delivery } = await history();
    const foreign = app.as(await app.createKey(['admin'], 'other'));
    const before = await rows();
    for (const [path, body] of paths) {
      await foreign.post(path).send(body).expect(404);
      // One may undo what another did.
      expect(await rows()).toEqual(before);
    }
    await foreign.get('/v1/ledger?customerId=acme').expect(404);
    await foreign.get(`/v1/ledger?endpointId=${encodeId('ep', endpointId)}`).expect(404);
    expect((await foreign.get('/v1/ledger').expect(200)).body).toMatchObject({ accepted: 0, delivered: 0 });
    expect(await show(delivery.id)).toMatchObject({ status: 'pending' });

    const own = app.as(await app.createKey(['admin'], 'acme'));
    expect((await own.get('/v1/ledger').expect(200)).body).toMatchObject({ pending: 1 });
    await own.post(`/v1/deliveries/${delivery.id}/cancel`).expect(200);
  });
});

async function history() {
  const event = await insertEvent();
  const delivery = await insertDelivery({ status: 'pending' });
  const paths: [string, object][] = [
    [`${endpoint}/pause`, {}],
    [`${endpoint}/resume`, {}],
    [`${endpoint}/enable`, {}],
    [`/v1/deliveries/${delivery.id}/replay`, {}],
    [`/v1/deliveries/${delivery.id}/cancel`, {}],
    ['/v1/deliveries/cancel', { customerId: 'acme' }],
    [`/v1/events/${event.id}/replay`, { endpointId: encodeId('ep', endpointId) }],
  ];
  return { event, delivery, paths };
}

/** Everything that a request can have changed. */
async function rows(): Promise<unknown> {
  const { rows: found } = await app.database.pool.query<object>(
    'SELECT (SELECT json_agg(e) FROM endpoint e) AS endpoints, (SELECT json_agg(d) FROM delivery d) AS deliveries',
  );
  return found;
}

async function show(id: string) {
  return (await app.admin.get(`/v1/deliveries/${id}`).expect(200)).body;
}

async function insertEvent(deliveries = 0) {
  const uuid = createUuidV7(nowMs);
  await app.database.pool.query(
    `INSERT INTO event (id, customer_id, type, occurred_at, accepted_at, body, delivery_count)
     VALUES ($1, 'acme', 'invoice.paid', now(), now(), '{}', $2)`,
    [uuid, deliveries],
  );
  return { uuid, id: encodeId('evt', uuid) };
}

async function insertEndpoint(customerId: string): Promise<string> {
  const id = createUuidV7(nowMs);
  await app.database.pool.query(
    `INSERT INTO endpoint (id, customer_id, url, event_types) VALUES ($1, $2, 'https://a.example/', '{x.y}')`,
    [id, customerId],
  );
  return id;
}

async function insertDelivery(facts: { status: string; type?: string; inSeconds?: number }) {
  const eventId = createUuidV7(nowMs);
  const uuid = deliveryIdOf(eventId, endpointId);
  const { rows } = await app.database.pool.query<{ finished_at: Date | null }>(
    `INSERT INTO delivery (id, event_id, endpoint_id, customer_id, type, status, reason, attempts, expires_at, created_at,
       next_attempt_at, finished_at)
     VALUES ($1, $2, $3, 'acme', $4, $5::text, CASE WHEN $5 NOT IN ('pending', 'delivered') THEN 'test' END, 2, now() + interval '1 day', now(),
       CASE WHEN $5 = 'pending' THEN now() + $6::int * interval '1 second' END,
       CASE WHEN $5 NOT IN ('pending', 'held') THEN now() - interval '1 hour' END)
     RETURNING finished_at`,
    [uuid, eventId, endpointId, facts.type ?? 'invoice.paid', facts.status, facts.inSeconds ?? 0],
  );
  return { uuid, id: encodeId('dlv', uuid), finishedAt: rows[0]?.finished_at?.toISOString() };
}
