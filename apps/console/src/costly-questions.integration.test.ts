import { createUuidV7, encodeId } from '@posthorn/domain';
import { createTestDatabase, type TestDatabase, waitUntil } from '@posthorn/testing';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { type Agent, startTestConsole, type TestConsole } from './test-support/test-console.js';

/** Asked at once by one customer. */
const MANY = 90;
/** What one customer has running and waiting. */
const ADMITTED = 6;

let testDatabase: TestDatabase;
let app: TestConsole;
let acme: Agent;
let other: Agent;
let release = () => Promise.resolve();

beforeAll(async () => {
  testDatabase = await createTestDatabase();
  app = await startTestConsole(testDatabase.url);
});
afterEach(() => release());
afterAll(async () => {
  await app.close();
  await testDatabase.drop();
});
beforeEach(async () => {
  await app.clear();
  await app.putCustomer('acme');
  await app.putCustomer('other');
  acme = app.as(await app.createKey(['read', 'deliveries:write'], 'acme'));
  other = app.as(await app.createKey(['read', 'deliveries:write'], 'other'));
});

/** Keeps whoever wants the same lock waiting until `release`. */
async function hold(lock: string): Promise<void> {
  const client = await app.database.pool.connect();
  await client.query('BEGIN');
  await client.query(lock);
  release = async () => {
    release = () => Promise.resolve();
    await client.query('COMMIT');
    client.release();
  };
}

const untilBlocked = () =>
  waitUntil(async () => {
    const { rows } = await app.database.pool.query(
      "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'",
    );
    return rows.length > 0;
  });

type Answers = Record<number, number>;

/** Counts the answers by status as they come. Superagent sends when it is waited for. */
function askMany(times: number, ask: () => Promise<{ status: number; retryAfter: string | undefined }>) {
  const answers: Answers = {};
  const all = Array.from({ length: times }, async () => {
    const { status, retryAfter } = await ask();
    if (status >= 400) expect(Number(retryAfter)).toBeGreaterThan(0);
    answers[status] = (answers[status] ?? 0) + 1;
  });
  return { answers, all: Promise.all(all) };
}

/** An answer of any status: `expect` of the agent would choose one. */
async function send(agent: Agent, path: string, body?: object) {
  const exchange = await (body ? agent.post(path).send(body) : agent.get(path));
  const { status, headers } = exchange as typeof exchange & { status: number };
  return { status, retryAfter: headers['retry-after'] };
}

const dryRun = (agent: Agent, customerId: string) => send(agent, '/v1/replays', { customerId, dryRun: true });

describe('questions that read many rows', () => {
  it('are refused to a customer that asks 90 at once, and answered to others meanwhile', async () => {
    // Making a replay locks its customer, so it keeps the customer's turn for as long as the test likes.
    await hold("SELECT FROM customer WHERE id = 'acme' FOR UPDATE");
    const made = send(acme, '/v1/replays', { customerId: 'acme' });
    await untilBlocked();
    const { answers, all } = askMany(MANY, () => dryRun(acme, 'acme'));
    await waitUntil(() => answers[429] === MANY - ADMITTED + 1);
    expect(answers).toEqual({ 429: MANY - ADMITTED + 1 });
    expect((await send(acme, '/v1/ledger')).status).toBe(429);
    expect((await send(acme, '/v1/replays', { customerId: 'acme' })).status).toBe(429);
    const cancellation = { customerId: 'acme', dryRun: true };
    expect((await send(acme, '/v1/deliveries/cancel', cancellation)).status).toBe(429);

    expect((await dryRun(other, 'other')).status).toBe(200);
    expect((await send(other, '/v1/ledger')).status).toBe(200);
    expect((await dryRun(app.admin, 'acme')).status).toBe(200);
    // Charts of the customer have turns of their own.
    expect((await send(acme, '/v1/stats')).status).toBe(200);

    await release();
    await all;
    expect(answers).toEqual({ 200: ADMITTED - 1, 429: MANY - ADMITTED + 1 });
    expect((await made).status).toBe(201);
  });

  it('hold for statistics of a customer and of all, not for those of one endpoint', async () => {
    const endpointId = createUuidV7(Date.now());
    await app.database.pool.query(
      "INSERT INTO endpoint (id, customer_id, url, event_types) VALUES ($1, 'acme', 'https://a.example/', '{*}')",
      [endpointId],
    );
    await hold('LOCK TABLE statistic');
    const ofOne = askMany(2, () => send(acme, `/v1/stats?endpointId=${encodeId('ep', endpointId)}`));
    const ofCustomer = askMany(10, () => send(acme, '/v1/stats'));
    const ofAll = askMany(10, () => send(app.admin, '/v1/stats'));
    await waitUntil(() => ofCustomer.answers[429] === 10 - ADMITTED && ofAll.answers[429] === 10 - ADMITTED);
    await release();
    await Promise.all([ofOne.all, ofCustomer.all, ofAll.all]);
    expect(ofOne.answers).toEqual({ 200: 2 });
    expect(ofCustomer.answers).toEqual({ 200: ADMITTED, 429: 10 - ADMITTED });
    expect(ofAll.answers).toEqual({ 200: ADMITTED, 429: 10 - ADMITTED });
  });
});
