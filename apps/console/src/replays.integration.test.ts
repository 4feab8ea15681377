import { createUuidV7, deliveryIdOf, encodeId } from '@posthorn/domain';
import { holdLimitMs } from '@posthorn/delivery/hold';
import { createReplayRunner } from '@posthorn/delivery/replay';
import { createLogger } from '@posthorn/runtime';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { createTestDatabase, type TestDatabase } from '@posthorn/testing';
import { startTestConsole, type TestConsole } from './test-support/test-console.js';

const acceptedAtMs = Date.now() - 60_000;
let testDatabase: TestDatabase;
let app: TestConsole;
let endpointId: string;

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
  endpointId = await addEndpoint('acme');
});

async function addEndpoint(customerId: string): Promise<string> {
  const id = createUuidV7(Date.now());
  await app.database.pool.query(
    `INSERT INTO endpoint (id, customer_id, url, event_types) VALUES ($1, $2, 'https://a.example/', '{x.y}')`,
    [id, customerId],
  );
  return id;
}

async function addFinished(count: number, { status = 'dead_lettered', type = 'invoice.paid' } = {}) {
  for (let n = 0; n < count; n += 1) {
    const eventId = createUuidV7(acceptedAtMs);
    await app.database.pool.query(
      `INSERT INTO delivery (id, event_id, endpoint_id, customer_id, type, status, reason, attempts, expires_at, created_at,
                             finished_at)
       VALUES ($1, $2, $3, 'acme', $4, $5::text, CASE WHEN $5 <> 'delivered' THEN 'test' END, 1, now() + interval '1 day', to_timestamp($6::bigint / 1000.0), now())`,
      [deliveryIdOf(eventId, endpointId), eventId, endpointId, type, status, acceptedAtMs],
    );
  }
}

async function create(body: object = {}) {
  return (
    await app.admin
      .post('/v1/replays')
      .send({ customerId: 'acme', ...body })
      .expect(201)
  ).body;
}

async function runWorkerPass(): Promise<void> {
  const logger = createLogger({ level: 'silent', role: 'test' });
  const queue = { enqueue: () => Promise.resolve() };
  const runner = createReplayRunner({
    pool: app.database.pool,
    queue,
    logger,
    holdLimitMs: holdLimitMs(30),
    unfinishedMax: 2,
  });
  await runner.run(new AbortController().signal);
}

/** Ends what is pending as if it had been sent. */
async function endPending(status: 'delivered' | 'dead_lettered'): Promise<void> {
  await app.database.pool.query(
    `UPDATE delivery SET status = $1::text, reason = CASE WHEN $1 <> 'delivered' THEN 'test' END, next_attempt_at = NULL,
       finished_at = now() WHERE status = 'pending'`,
    [status],
  );
}

describe('POST /v1/replays', () => {
  it('counts in a dry run what matches, by the same filter, and makes nothing', async () => {
    await addFinished(3);
    await addFinished(2, { type: 'invoice.sent' });
    await addFinished(1, { status: 'delivered' });
    for (const [filter, matched] of [
      [{}, 5],
      [{ type: 'invoice.sent' }, 2],
      [{ status: 'delivered' }, 1],
      [{ status: 'cancelled' }, 0],
      [{ endpointId: encodeId('ep', endpointId) }, 5],
      [{ until: new Date(acceptedAtMs).toISOString() }, 0],
      [{ since: new Date(acceptedAtMs).toISOString() }, 5],
    ] as const) {
      const { body } = await app.admin
        .post('/v1/replays')
        .send({ customerId: 'acme', dryRun: true, ...filter })
        .expect(200);
      expect(body).toEqual({ matched, more: false });
    }
    expect((await app.admin.get('/v1/replays').expect(200)).body).toEqual({ data: [], nextCursor: null });
  });

  it('answers 201 with the replay, which then tells its progress', async () => {
    await addFinished(3);
    const filter = { type: 'invoice.paid', since: '2026-01-01T01:00:00+01:00' };
    const replay = await create({ ...filter, endpointId: encodeId('ep', endpointId) });
    const expected = {
      id: expect.stringMatching(/^rpl_/),
      customerId: 'acme',
      endpointId: encodeId('ep', endpointId),
      status: 'dead_lettered',
      type: 'invoice.paid',
      since: '2026-01-01T00:00:00.000Z',
      until: null,
      state: 'running',
      matched: 3,
      done: 0,
      failed: 0,
      remaining: 3,
      createdAt: expect.any(String),
      finishedAt: null,
    };
    expect(replay).toEqual(expected);
    await runWorkerPass();
    await endPending('delivered');
    const read = async () => (await app.admin.get(`/v1/replays/${replay.id}`).expect(200)).body;
    expect(await read()).toEqual({ ...expected, done: 2, remaining: 1 });
    await runWorkerPass();
    await endPending('dead_lettered');
    await runWorkerPass();
    await runWorkerPass();
    expect(await read()).toEqual({
      ...expected,
      ...{ state: 'completed', done: 2, failed: 1, remaining: 0 },
      finishedAt: expect.any(String),
    });
  });

  it('refuses a second one of the customer while one runs or is paused: 409 replay_in_progress', async () => {
    const { id } = await create();
    const refused = async () => {
      const { body } = await app.admin.post('/v1/replays').send({ customerId: 'acme' }).expect(409);
      expect(body.code).toBe('replay_in_progress');
    };
    await refused();
    await app.admin.post(`/v1/replays/${id}/pause`).expect(200);
    await refused();
    await app.admin.post('/v1/replays').send({ customerId: 'other' }).expect(201);
    await app.admin.post(`/v1/replays/${id}/cancel`).expect(200);
    await create();
  });

  it('refuses what is no filter with 400, unfinished deliveries included', async () => {
    for (const wrong of [
      { status: 'held' },
      { status: 'pending' },
      { status: null },
      { type: 'a..b' },
      { since: 'yesterday' },
      { endpointId: 'ep_1' },
      { dryRun: 'true' },
      { filter: {} },
      { customerId: undefined },
    ]) {
      const body = { customerId: 'acme', ...wrong };
      expect((await app.admin.post('/v1/replays').send(body).expect(400)).body.code).toBe('invalid_request');
    }
    await app.admin.post('/v1/replays').set('Idempotency-Key', 'ü').send({ customerId: 'acme' }).expect(400);
  });

  it('answers 404 for a customer or an endpoint that is not there', async () => {
    const foreign = encodeId('ep', await addEndpoint('other'));
    for (const dryRun of [true, false]) {
      await app.admin.post('/v1/replays').send({ customerId: 'nobody', dryRun }).expect(404);
      const body = { customerId: 'acme', endpointId: foreign, dryRun };
      await app.admin.post('/v1/replays').send(body).expect(404);
    }
  });
});

describe('the Idempotency-Key of POST /v1/replays', () => {
  const keyed = (agent = app.admin, body: object = {}) =>
    agent
      .post('/v1/replays')
      .set('Idempotency-Key', 'replay of Monday')
      .send({ customerId: 'acme', ...body });

  it('gives a repeat the first answer, also while the first is underway, and makes one replay', async () => {
    await addFinished(1);
    const answers = await Promise.all(Array.from({ length: 5 }, () => keyed().expect(201)));
    const [{ body: first }] = answers as [(typeof answers)[0]];
    for (const { body } of answers) expect(body).toEqual(first);
    expect(answers.filter(({ headers }) => headers['idempotent-replayed'] === 'true')).toHaveLength(4);
    await app.admin.post(`/v1/replays/${first.id}/cancel`).expect(200);
    expect((await keyed().expect(201)).body).toEqual(first);
    expect((await app.admin.get('/v1/replays').expect(200)).body.data).toHaveLength(1);
  });

  it('is refused for another request, and is another key for another caller', async () => {
    const { id } = (await keyed().expect(201)).body;
    const conflict = await keyed(app.admin, { type: 'invoice.paid' }).expect(409);
    expect(conflict.body.code).toBe('idempotency_conflict');
    const another = app.as(await app.createKey(['deliveries:write']));
    expect((await keyed(another).expect(409)).body.code).toBe('replay_in_progress');
    // A refusal is not kept.
    await app.admin.post(`/v1/replays/${id}/cancel`).expect(200);
    expect((await keyed(another).expect(201)).body.id).not.toBe(id);
  });

  it('leaves no answer behind that anyone can read in the database', async () => {
    await keyed().expect(201);
    const { rows } = await app.database.pool.query<{ sealed: Buffer }>(
      'SELECT sealed FROM idempotent_answer',
    );
    expect(rows).toHaveLength(1);
    expect(rows[0]!.sealed.toString('latin1')).not.toContain('rpl_');
  });
});

describe('GET /v1/replays', () => {
  it('lists newest first, by customer and state, in pages', async () => {
    const ids: string[] = [];
    for (let n = 0; n < 3; n += 1) {
      const { id } = await create();
      ids.unshift(id);
      if (n < 2) await app.admin.post(`/v1/replays/${id}/cancel`).expect(200);
    }
    const foreign = (await app.admin.post('/v1/replays').send({ customerId: 'other' }).expect(201)).body.id;
    const list = async (query: string) => (await app.admin.get(`/v1/replays?${query}`).expect(200)).body;
    const idsOf = async (query: string) => (await list(query)).data.map(({ id }) => id);
    expect(await idsOf('')).toEqual([foreign, ...ids]);
    expect(await idsOf('customerId=acme')).toEqual(ids);
    expect(await idsOf('state=running')).toEqual([foreign, ids[0]]);
    expect(await idsOf('customerId=acme&state=cancelled')).toEqual(ids.slice(1));
    const first = await list('customerId=acme&limit=2');
    expect(first.data.map(({ id }) => id)).toEqual(ids.slice(0, 2));
    expect(await idsOf(`customerId=acme&limit=2&cursor=${first.nextCursor}`)).toEqual(ids.slice(2));
    await app.admin.get('/v1/replays?state=done').expect(400);
    await app.admin.get('/v1/replays?customerId=nobody').expect(404);
  });
});

describe('POST /v1/replays/{replayId}/pause, /resume and /cancel', () => {
  it('changes the state, again and again without harm, and not once it is final: 409', async () => {
    const { id } = await create();
    const ask = async (change: string, status = 200) =>
      (await app.admin.post(`/v1/replays/${id}/${change}`).expect(status)).body;
    for (const [change, state] of [
      ['pause', 'paused'],
      ['pause', 'paused'],
      ['resume', 'running'],
      ['resume', 'running'],
      ['cancel', 'cancelled'],
      ['cancel', 'cancelled'],
    ] as const) {
      expect(await ask(change)).toMatchObject({ id, state });
    }
    expect(await ask('pause', 409)).toMatchObject({ code: 'conflict' });
    expect(await ask('resume', 409)).toMatchObject({ code: 'conflict' });
  });

  it('answers 404 where there is none', async () => {
    const unknown = encodeId('rpl', createUuidV7(Date.now()));
    await app.admin.get(`/v1/replays/${unknown}`).expect(404);
    for (const change of ['pause', 'resume', 'cancel']) {
      await app.admin.post(`/v1/replays/${unknown}/${change}`).expect(404);
      await app.admin.post(`/v1/replays/rpl_1/${change}`).expect(404);
    }
  });
});

describe('who may', () => {
  it('is whoever may replay a single delivery, for a customer of theirs', async () => {
    const { id } = await create();
    const body = { customerId: 'acme' };
    const writer = app.as(await app.createKey(['events:write']));
    await app.anyone.post('/v1/replays').send(body).expect(401);
    await writer.post('/v1/replays').send(body).expect(403);
    await writer.get(`/v1/replays/${id}`).expect(403);

    const foreign = app.as(await app.createKey(['admin'], 'other'));
    await foreign.post('/v1/replays').send(body).expect(404);
    await foreign.get('/v1/replays?customerId=acme').expect(404);
    expect((await foreign.get('/v1/replays').expect(200)).body.data).toEqual([]);
    await foreign.get(`/v1/replays/${id}`).expect(404);
    for (const change of ['pause', 'resume', 'cancel']) {
      await app.anyone.post(`/v1/replays/${id}/${change}`).expect(401);
      await writer.post(`/v1/replays/${id}/${change}`).expect(403);
      await foreign.post(`/v1/replays/${id}/${change}`).expect(404);
    }

    const own = app.as(await app.createKey(['deliveries:write'], 'acme'));
    expect((await own.get('/v1/replays').expect(200)).body.data).toMatchObject([{ id, state: 'running' }]);
    await own.post(`/v1/replays/${id}/cancel`).expect(200);
    await own.post('/v1/replays').send(body).expect(201);
  });
});
