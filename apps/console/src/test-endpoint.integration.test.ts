import { createUuidV7, encodeId } from '@posthorn/domain';
import { createTestDatabase, type TestDatabase, waitUntil } from '@posthorn/testing';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { type Agent, startTestConsole, type TestConsole } from './test-support/test-console.js';

let testDatabase: TestDatabase;
let app: TestConsole;
let path: string;

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
  const endpoint = { url: 'https://example.com/', eventTypes: ['invoice.paid'] };
  const { body } = await app.admin.post('/v1/customers/acme/endpoints').send(endpoint).expect(201);
  path = `/v1/endpoints/${body.id}/test`;
});

/** The worker's part: one attempt, that fails. */
async function attemptNext(): Promise<void> {
  const { deliveryId } = await waitUntil(() => app.enqueued.at(-1));
  await app.database.pool.query(
    `WITH attempted AS (
       INSERT INTO attempt (delivery_id, number, trigger, status, response_code, latency_ms, request_headers, response_headers, started_at)
       VALUES ($1, 1, 'test', 'failed', 500, 12, '{}', '{}', now())
     )
     UPDATE delivery SET status = 'dead_lettered', reason = 'exhausted', attempts = 1, next_attempt_at = NULL, finished_at = now()
      WHERE id = $1`,
    [deliveryId],
  );
}

/** Superagent sends when it is waited for. */
const begin = (agent: Agent, body: object) => Promise.resolve(agent.post(path).send(body));

describe('POST /v1/endpoints/{endpointId}/test', () => {
  it('answers 200 with the attempt, however it went, and marks what it made as a test', async () => {
    const [answer] = await Promise.all([begin(app.admin, {}), attemptNext()]);
    expect(answer.body).toMatchObject({
      deliveryId: expect.stringMatching(/^dlv_/),
      number: 1,
      trigger: 'test',
      status: 'failed',
      responseCode: 500,
      request: { body: expect.stringContaining('"type":"posthorn.test"') },
    });
    const { deliveryId } = app.enqueued[0]!;
    const delivery = await app.admin.get(`/v1/deliveries/${encodeId('dlv', deliveryId)}`).expect(200);
    expect(delivery.body).toMatchObject({ type: 'posthorn.test', test: true });
    const replay = await app.admin.post('/v1/replays').send({ customerId: 'acme', dryRun: true }).expect(200);
    expect(replay.body).toMatchObject({ matched: 0 });
    await app.admin.post(`/v1/deliveries/${encodeId('dlv', deliveryId)}/replay`).expect(409);
    const log = await app.admin.get('/v1/audit-log?customerId=acme').expect(200);
    expect(log.body.data[0]).toMatchObject({ operation: 'testEndpoint' });
  });

  it('answers 202 when nothing was sent in the time given, and goes on', async () => {
    const { body } = await app.admin.post(path).send({ waitSeconds: 0 }).expect(202);
    expect(body).toMatchObject({ deliveryId: expect.stringMatching(/^dlv_/), status: 'pending' });
    expect(app.enqueued).toHaveLength(1);
  });

  it('answers 409 when it was cancelled before its turn', async () => {
    const [answer] = await Promise.all([
      begin(app.admin, {}),
      waitUntil(() => app.enqueued.at(-1)).then(({ deliveryId }) =>
        app.admin.post(`/v1/deliveries/${encodeId('dlv', deliveryId)}/cancel`).expect(200),
      ),
    ]);
    expect(answer.body).toMatchObject({ code: 'conflict' });
  });

  it('answers 409 when its endpoint was deleted, and does not claim that nothing was sent', async () => {
    const [answer] = await Promise.all([
      begin(app.admin, {}),
      waitUntil(() => app.enqueued.at(-1)).then(() =>
        app.admin.delete(path.replace('/test', '')).expect(204),
      ),
    ]);
    expect(answer.body).toMatchObject({
      code: 'conflict',
      detail: 'The test ended without a recorded attempt: endpoint_deleted.',
    });
  });

  it('answers 404 for an endpoint that is another’s or not there, and makes nothing', async () => {
    await app.putCustomer('other');
    const others = app.as(await app.createKey(['admin'], 'other'));
    await others.post(path).send({ waitSeconds: 0 }).expect(404);
    const nowhere = `/v1/endpoints/${encodeId('ep', createUuidV7(Date.now()))}/test`;
    await app.admin.post(nowhere).expect(404);
    await app.admin.post('/v1/endpoints/nonsense/test').expect(404);
    expect(app.enqueued).toEqual([]);
  });

  it('answers 401 and 403 to those who may not, and 400 to a wait that is none', async () => {
    await app.anyone.post(path).expect(401);
    await app
      .as(await app.createKey(['read']))
      .post(path)
      .expect(403);
    await app.admin.post(path).send({ waitSeconds: 61 }).expect(400);
    await app.admin.post(path).send({ wait: 1 }).expect(400);
    expect(app.enqueued).toEqual([]);
  });
});
