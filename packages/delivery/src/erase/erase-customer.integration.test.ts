import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  createApiKeyStore,
  createAuditStore,
  createIdempotentAnswerStore,
  createPortalLinkStore,
} from '@posthorn/database';
import { encodeId, HEALTHY } from '@posthorn/domain';
import { createLogger } from '@posthorn/runtime';
import { startReceiver, type Receiver } from '@posthorn/testing';

import { cancelDeliveries } from '../cancel/cancel-deliveries.sql.js';
import { createEndpointDisabler } from '../endpoint-health/disable-endpoint.js';
import { saveEndpointHealth } from '../endpoint-health/endpoint-health.sql.js';
import { holdLimitMs } from '../hold/hold-limit.js';
import { createOperationalEventPublisher } from '../operational-events/publish-operational-events.js';
import { createReplayRunner } from '../replay/replay-many.js';
import { createReplayStore } from '../replay/replay-store.sql.js';
import { createStatisticsRollUp } from '../statistics/roll-up-statistics.js';
import { openPipeline, type OpenPipeline } from '../test-support/open-pipeline.js';
import { type ErasedKind, erasedKinds } from './erasure.sql.js';

const ALL = new AbortController().signal;
const ONCE = { retryPolicy: { delaysSeconds: [0], maxAttempts: 1, jitter: 0 } };
const logger = createLogger({ level: 'silent', role: 'test' });
/** Where nothing is kept of any customer. */
const NOBODYS = ['_prisma_migrations', 'attempt_reader', 'erasure', 'event_type', 'sweep'];

let pipeline: OpenPipeline;
let receiver: Receiver;

beforeAll(async () => {
  [pipeline, receiver] = await Promise.all([openPipeline(), startReceiver()]);
  receiver.respondWith(({ path }) => ({ status: { '/fails': 500, '/gone': 410 }[path] ?? 200 }));
});
afterAll(async () => {
  await pipeline.close();
  await receiver.close();
});

async function read(): Promise<void> {
  const { pool, clock } = pipeline.database;
  const failingLimits = { warnAfterMs: null, disableAfterMs: null };
  await createStatisticsRollUp({ pool, clock, retentionDays: 30, failingLimits, notWithinMs: 0 }).run(ALL);
}

const tell = () =>
  createOperationalEventPublisher({ pool: pipeline.database.pool, acceptor: pipeline.acceptor, logger }).run(
    ALL,
  );

/** A customer of which something is in every table there is, some of it on its way. */
async function addEverything(customerId: string): Promise<void> {
  const { pool, prisma, clock } = pipeline.database;
  await pipeline.addCustomer(customerId);
  await pipeline.setNotificationUrl(customerId, `${receiver.url}/owner`);
  const add = (path: string) => pipeline.addEndpoint(customerId, { url: receiver.url + path, ...ONCE });
  const [works, fails, gone] = [await add('/works'), await add('/fails'), await add('/gone')];
  const attempt = async (event: { idempotencyKey?: string; externalId?: string } = {}) => {
    const eventId = await pipeline.accept({ customerId, ...event });
    for (const { id } of [works, fails, gone]) await pipeline.handle(pipeline.jobOf(eventId, id), ALL);
  };
  await attempt({ idempotencyKey: 'key', externalId: 'external' });
  await read();
  await tell();
  const { rows: told } = await pool.query<{ eventId: string; endpointId: string }>(
    `SELECT event_id AS "eventId", endpoint_id AS "endpointId" FROM delivery WHERE customer_id = 'posthorn'`,
  );
  for (const { eventId, endpointId } of told) await pipeline.handle(pipeline.jobOf(eventId, endpointId), ALL);
  const oneShots = pipeline.openOneShotAcceptor();
  await oneShots.accept({
    customerId,
    url: `${receiver.url}/callback`,
    payloadSource: '{}',
    headers: { 'x-token': 'secret' },
    retryPolicy: null,
    idempotencyKey: 'one-shot',
  });
  await oneShots.close();

  const replays = createReplayStore({ ...pipeline.database, holdLimitMs: holdLimitMs(30) });
  const everything = { endpointId: null, type: null, since: null, until: null };
  await prisma.$transaction((tx) =>
    replays.create(tx, { customerId, status: 'dead_lettered', ...everything }),
  );
  const queue = { enqueue: () => Promise.resolve() };
  // One is open, and so is the lane: there may be more to open.
  await createReplayRunner({ pool, queue, logger, holdLimitMs: holdLimitMs(30), unfinishedMax: 1 }).run(ALL);
  // Not read yet, and noted but not told.
  await attempt();
  const { deliveryId } = pipeline.jobOf(await pipeline.accept({ customerId }), fails.id);
  await cancelDeliveries(pool, [deliveryId], ['pending'], 'cancelled');
  const disabler = createEndpointDisabler({
    pool,
    endpoints: pipeline.endpoints,
    logger,
    holdLimitMs: holdLimitMs(30),
  });
  await disabler.disable(works.id, 'gone');
  await saveEndpointHealth(pool, [{ endpointId: fails.id, epoch: 0, health: { ...HEALTHY, score: 50 } }]);

  await createApiKeyStore({ prisma, clock }).create({ name: null, scopes: ['read'], customerId });
  const { secretBox } = pipeline;
  await createIdempotentAnswerStore({ prisma, secretBox }).answerOnce(
    { callerId: works.id, key: 'key', fingerprint: [], customerId },
    (tx) => createPortalLinkStore({ prisma, clock }).create(tx, { customerId, expiresInSeconds: 60 }),
  );
  await createAuditStore({ prisma, clock }).add({
    keyId: works.id,
    portalLinkId: null,
    operation: 'pauseEndpoint',
    target: { endpointId: encodeId('ep', works.id) },
    members: [],
    customerId,
    requestId: 'request',
    address: null,
    userAgent: null,
  });
}

/** What a receipt has to say, by plain counts. */
const COUNTED: Record<ErasedKind, string> = {
  events: 'SELECT id::text FROM event WHERE customer_id = $1',
  oneShots: 'SELECT o.id::text FROM one_shot o JOIN event e ON e.id = o.id WHERE customer_id = $1',
  deliveries: 'SELECT id::text FROM delivery WHERE customer_id = $1',
  attempts: 'SELECT d.id::text FROM attempt a JOIN delivery d ON d.id = a.delivery_id WHERE customer_id = $1',
  idempotencyKeys: 'SELECT event_id::text FROM idempotency_key WHERE customer_id = $1',
  idempotentAnswers: 'SELECT caller_id::text FROM idempotent_answer WHERE customer_id = $1',
  statistics: `SELECT endpoint_id::text FROM statistic WHERE customer_id = $1
                UNION ALL SELECT endpoint_id::text FROM delivery_end WHERE customer_id = $1`,
  operationalEvents: `SELECT id::text FROM event WHERE customer_id = 'posthorn' AND body LIKE '%"' || $1 || '"%'`,
  notices: `SELECT id::text FROM notice WHERE customer_id = $1
             UNION ALL SELECT endpoint_id::text FROM exhaustion WHERE customer_id = $1
             UNION ALL SELECT id::text FROM delivery_closing WHERE customer_id = $1`,
  replays: 'SELECT id::text FROM replay WHERE customer_id = $1',
  endpoints: `SELECT id::text FROM endpoint WHERE customer_id = $1 AND kind = 'registered'`,
  secrets: `SELECT s.id::text FROM endpoint_secret s JOIN endpoint e ON e.id = s.endpoint_id WHERE customer_id = $1
             UNION ALL SELECT id::text FROM one_shot_secret WHERE customer_id = $1`,
  apiKeys: 'SELECT id::text FROM api_key WHERE customer_id = $1',
  portalLinks: 'SELECT id::text FROM portal_link WHERE customer_id = $1',
  auditEntries: 'SELECT id::text FROM audit_entry WHERE customer_id = $1',
};

/** How many rows of each kind there are, and by what a customer may be known: its id, and those of what it has. */
async function inventoryOf(customerId: string) {
  const counts: Partial<Record<ErasedKind, number>> = {};
  const names = new Set([customerId]);
  for (const kind of erasedKinds) {
    const { rows } = await pipeline.database.pool.query<{ id: string }>(
      `SELECT id FROM (${COUNTED[kind]}) AS counted (id)`,
      [customerId],
    );
    counts[kind] = rows.length;
    for (const { id } of rows.filter((row) => row.id.includes('-'))) {
      names.add(id);
      names.add(encodeId('any', id).slice(4));
    }
  }
  return { counts, names: [...names] };
}

/** Of each table how many rows hold one of these texts, wherever. */
async function rowsWith(names: readonly string[]): Promise<Record<string, number>> {
  const { pool } = pipeline.database;
  const tables = await pool.query<{ name: string }>(
    `SELECT relname AS name FROM pg_class
      WHERE relkind IN ('r', 'p') AND NOT relispartition AND relnamespace = 'public'::regnamespace ORDER BY 1`,
  );
  const found: Record<string, number> = {};
  for (const { name } of tables.rows) {
    const { rows } = await pool.query<{ n: number }>(
      `SELECT count(*)::int AS n FROM ${name} AS t WHERE t::text LIKE ANY ($1)`,
      [names.map((text) => `%${text}%`)],
    );
    found[name] = rows[0]?.n ?? 0;
  }
  return found;
}

const tablesWithout = (found: Record<string, number>) =>
  Object.keys(found).filter((table) => found[table] === 0);

describe('erasing a customer', () => {
  it('leaves no trace of it in any table, says how much there was, and touches nobody else', async () => {
    await pipeline.addEndpoint('posthorn', { url: `${receiver.url}/operator` });
    await addEverything('staying-7f3a');
    // The last one: what is not read or told yet is read and told with the next.
    await addEverything('leaving-7f3a');
    const [leaving, staying] = [await inventoryOf('leaving-7f3a'), await inventoryOf('staying-7f3a')];
    // A new table has to be erased, or be one of nobody's: then it belongs into the list above.
    expect(tablesWithout(await rowsWith(leaving.names))).toEqual(NOBODYS);
    expect(Object.values(leaving.counts)).not.toContain(0);
    const others = await rowsWith(staying.names);

    const outcome = await pipeline.erase('leaving-7f3a');
    expect(outcome).toEqual({
      kind: 'erased',
      receipt: { customerId: 'leaving-7f3a', erasedAt: expect.any(Date), removed: leaving.counts },
    });
    const left = await rowsWith(leaving.names);
    expect(tablesWithout(left)).toEqual(Object.keys(left));
    expect(await rowsWith(staying.names)).toEqual(others);
    expect(await inventoryOf('staying-7f3a')).toEqual(staying);

    expect(await pipeline.erase('leaving-7f3a')).toEqual({ kind: 'not_found' });
    await read();
    await tell();
    expect(tablesWithout(await rowsWith(leaving.names))).toEqual(Object.keys(left));
  });

  it('removes more than one batch of each', async () => {
    await pipeline.addCustomer('large-7f3a');
    await pipeline.addEndpoint('large-7f3a', { url: 'http://127.0.0.1:9/' });
    await Promise.all(
      Array.from({ length: 2_100 }, (_, index) =>
        pipeline.accept({ customerId: 'large-7f3a', idempotencyKey: `k${index}` }),
      ),
    );
    expect(await pipeline.erase('large-7f3a')).toMatchObject({
      receipt: { removed: { events: 2_100, deliveries: 2_100, idempotencyKeys: 2_100, endpoints: 1 } },
    });
    expect(Object.values(await rowsWith(['large-7f3a'])).filter((n) => n > 0)).toEqual([]);
  });

  it('accepts nothing more from the moment it begins', async () => {
    await pipeline.addCustomer('marked');
    await pipeline.accept({ customerId: 'marked' });
    await pipeline.database.pool.query("UPDATE customer SET erased_at = now() WHERE id = 'marked'");
    await expect(pipeline.accept({ customerId: 'marked' })).rejects.toThrow('unknown_customer');
  });
});
