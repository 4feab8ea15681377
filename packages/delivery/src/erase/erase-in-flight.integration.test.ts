import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { Database } from '@posthorn/database';
import { createLogger } from '@posthorn/runtime';
import { startReceiver, waitUntil, type Receiver } from '@posthorn/testing';
import type pg from 'pg';

import { createEventAcceptor } from '../accept/accept-event.js';
import { createRouteCache } from '../accept/route-cache.js';
import { createDeliveryEnqueuer } from '../enqueue/enqueue-deliveries.js';
import { openPipeline, type OpenPipeline } from '../test-support/open-pipeline.js';
import { beginErasure, ErasureOver, findCustomerMadeAt } from './erasure.sql.js';
import { finishErasures } from './finish-erasures.js';

const ALL = new AbortController().signal;
const NOBODY = '/nobody';

let pipeline: OpenPipeline;
let pool: pg.Pool;
let receiver: Receiver;
let customerId: string;
let customers = 0;
let strangers: Database;
/** Not one of ours by its name: nobody waits for its transactions, but for its locks. */
let stranger: pg.PoolClient;
/** What is being sent waits for this. */
let maySend: Promise<void> = Promise.resolve();

beforeAll(async () => {
  pipeline = await openPipeline({
    wrapSend: (send) => async (request) => {
      await maySend;
      return send(request);
    },
  });
  ({ pool } = pipeline.database);
  strangers = pipeline.openAnother('stranger', 1);
  receiver = await startReceiver();
});
afterAll(async () => {
  await strangers.close();
  await pipeline.close();
  await receiver.close();
});
beforeEach(async () => {
  customerId = `customer-${(customers += 1)}`;
  await pipeline.addCustomer(customerId);
  stranger = await strangers.pool.connect();
  await stranger.query("SET application_name = 'stranger'");
  await stranger.query('BEGIN');
});
afterEach(() => stranger.release(true));

/** Holds sends back until the function that it returns is called. */
function holdSends(): () => void {
  let open!: () => void;
  maySend = new Promise((resolve) => (open = resolve));
  return open;
}

/** Resolves when so many statements wait for a lock. */
async function untilWaiting(statements: number): Promise<void> {
  await waitUntil(async () => {
    const { rowCount } = await pool.query(
      "SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'",
    );
    return rowCount === statements;
  });
}

async function count(from: string): Promise<number> {
  const { rows } = await pool.query<{ n: number }>(`SELECT count(*)::int AS n FROM ${from}`);
  return rows[0]?.n ?? 0;
}

const rowsOf = (table: string) => count(`${table} WHERE customer_id = '${customerId}'`);
/** Attempts whose delivery is gone. */
const orphans = () => count('attempt WHERE NOT EXISTS (SELECT FROM delivery d WHERE d.id = delivery_id)');

async function begin(client: pg.PoolClient, id: string) {
  const madeAt = await findCustomerMadeAt(pool, id);
  return madeAt && beginErasure(client, { customerId: id, madeAt });
}

/** As if a process had died just then. */
async function begun(id: string): Promise<void> {
  const client = await pool.connect();
  await begin(client, id);
  client.release();
}

describe('erasing a customer', () => {
  it('takes the attempt along that is recorded while its delivery is being removed', async () => {
    const { id } = await pipeline.addEndpoint(customerId, { url: receiver.url });
    const first = await pipeline.accept({ customerId });
    const second = await pipeline.accept({ customerId });
    const send = holdSends();
    const sent = pipeline.handle(pipeline.jobOf(second, id), ALL);
    await stranger.query('SELECT FROM delivery WHERE event_id = $1 FOR UPDATE', [first]);
    const erasing = pipeline.erase(customerId);
    await untilWaiting(1);
    send();
    expect(await sent).toMatchObject({ kind: 'done' });
    await stranger.query('COMMIT');
    expect(await erasing).toMatchObject({ receipt: { removed: { deliveries: 2, attempts: 1 } } });
    expect(await orphans()).toBe(0);
  });

  it('records nothing of a send that ends when its delivery is gone', async () => {
    const { id } = await pipeline.addEndpoint(customerId, { url: receiver.url });
    const eventId = await pipeline.accept({ customerId });
    const send = holdSends();
    const sent = pipeline.handle(pipeline.jobOf(eventId, id), ALL);
    expect(await pipeline.erase(customerId)).toMatchObject({ receipt: { removed: { attempts: 0 } } });
    send();
    expect(await sent).toMatchObject({ kind: 'done' });
    expect(await pipeline.attempts(eventId, id)).toEqual([]);
    expect(await pipeline.delivery(eventId, id)).toEqual({});
    // Nor is it sent again.
    const requests = receiver.requests.length;
    expect(await pipeline.handle(pipeline.jobOf(eventId, id), ALL)).toMatchObject({ kind: 'done' });
    expect(receiver.requests).toHaveLength(requests);
  });

  it('keeps no notice of an endpoint that answers 410 meanwhile', async () => {
    receiver.respondWith(() => ({ status: 410 }));
    const { id } = await pipeline.addEndpoint(customerId, { url: receiver.url });
    const eventId = await pipeline.accept({ customerId });
    const send = holdSends();
    const sent = pipeline.handle(pipeline.jobOf(eventId, id), ALL);
    // The last thing that is removed before the customer.
    await stranger.query('SELECT FROM endpoint_secret WHERE endpoint_id = $1 FOR UPDATE', [id]);
    const erasing = pipeline.erase(customerId);
    await untilWaiting(1);
    send();
    await sent;
    expect(await rowsOf('notice')).toBe(1);
    await stranger.query('COMMIT');
    expect(await erasing).toMatchObject({ kind: 'erased', receipt: { removed: { notices: 1 } } });
    expect(await rowsOf('notice')).toBe(0);
    receiver.respondWith(() => ({ status: 200 }));
  });

  it('waits for an event that is being accepted, by whatever name the process goes, and removes it', async () => {
    await pipeline.addEndpoint(customerId, { url: receiver.url });
    const ingest = pipeline.openAnother('ingest-7', 4);
    const { clock } = ingest;
    const acceptor = createEventAcceptor({
      pool: ingest.pool,
      clock,
      routes: createRouteCache((of) => pipeline.endpointStore.readRoutes(of)),
      enqueuer: createDeliveryEnqueuer(
        { enqueue: () => Promise.resolve() },
        createLogger({ level: 'silent', role: 'test' }),
      ),
      logger: createLogger({ level: 'silent', role: 'test' }),
      idempotencyWindowHours: 24,
      retentionDays: 30,
    });
    const event = {
      customerId,
      type: 'invoice.paid',
      dataSource: '{}',
      externalId: null,
      occurredAtMs: null,
      idempotencyKey: 'taken',
    };
    // The same key, by somebody who does not commit yet.
    await acceptor.accept(event);
    const { rows } = await pool.query<{ row: string }>(
      'DELETE FROM idempotency_key WHERE customer_id = $1 RETURNING idempotency_key::text AS row',
      [customerId],
    );
    for (const { row } of rows) {
      await stranger.query('INSERT INTO idempotency_key SELECT ($1::text::idempotency_key).*', [row]);
    }
    const accepting = acceptor.accept(event);
    await untilWaiting(1);
    const erasing = pipeline.erase(customerId);
    await waitUntil(async () => {
      const { rowCount } = await pool.query(
        "SELECT FROM pg_stat_activity WHERE query LIKE '%xact_start <= %' AND pid <> pg_backend_pid()",
      );
      return rowCount === 1;
    });
    await stranger.query('ROLLBACK');
    expect(await accepting).toMatchObject({ kind: 'accepted', replayed: false });
    expect(await erasing).toMatchObject({ receipt: { removed: { events: 2, deliveries: 2 } } });
    expect(await acceptor.accept(event)).toEqual({ kind: 'unknown_customer' });
    for (const table of ['event', 'delivery', 'idempotency_key']) expect(await rowsOf(table)).toBe(0);
    await acceptor.close();
    await ingest.close();
  });

  it('gives the next customer of the same id nothing of it, in processes that were not told', async () => {
    const before = await pipeline.addEndpoint(customerId, { url: receiver.url });
    const { acceptor } = pipeline.openAcceptor();
    const { acceptor: another } = pipeline.openAcceptor();
    const event = {
      customerId,
      type: 'invoice.paid',
      dataSource: '{}',
      externalId: null,
      occurredAtMs: null,
      idempotencyKey: 'same',
    };
    const old = await acceptor.accept(event);
    await another.accept({ ...event, idempotencyKey: 'other' });
    await pipeline.erase(customerId);
    await pipeline.addCustomer(customerId);
    // While it has none, and when it has as many as the one before had.
    expect(await another.accept({ ...event, idempotencyKey: 'other' })).toMatchObject({ deliveries: 0 });
    const after = await pipeline.addEndpoint(customerId, { url: receiver.url });
    expect(after.id).not.toBe(before.id);
    const outcome = await acceptor.accept(event);
    expect(outcome).toMatchObject({ kind: 'accepted', deliveries: 1, replayed: false });
    expect(outcome).not.toMatchObject({ id: old.kind === 'accepted' && old.id });
    const { rows } = await pool.query('SELECT endpoint_id AS id FROM delivery WHERE customer_id = $1', [
      customerId,
    ]);
    expect(rows).toEqual([{ id: after.id }]);
    await Promise.all([acceptor.close(), another.close()]);
  });

  it('leaves none of the events that are posted all the while, or those of the next customer alone', async () => {
    await pipeline.addEndpoint(customerId, { url: NOBODY });
    const { acceptor } = pipeline.openAcceptor();
    let posting = true;
    const kinds = new Map<string, number>();
    const posters = Array.from({ length: 8 }, async () => {
      while (posting) {
        const { kind } = await acceptor.accept({
          customerId,
          type: 'invoice.paid',
          dataSource: '{}',
          externalId: null,
          occurredAtMs: null,
          idempotencyKey: null,
        });
        kinds.set(kind, (kinds.get(kind) ?? 0) + 1);
      }
    });
    for (let round = 1; round <= 5; round += 1) {
      await waitUntil(async () => (await rowsOf('event')) >= 20);
      expect(await pipeline.erase(customerId)).toMatchObject({ kind: 'erased' });
      if (round === 5) break;
      await pipeline.addCustomer(customerId);
      await pipeline.addEndpoint(customerId, { url: NOBODY });
    }
    posting = false;
    await Promise.all(posters);
    expect(kinds.get('accepted')).toBeGreaterThanOrEqual(100);
    expect(kinds.get('unknown_customer')).toBeGreaterThan(0);
    for (const table of ['event', 'delivery', 'endpoint']) expect(await rowsOf(table)).toBe(0);
    await acceptor.close();
  });
});

describe('an erasure', () => {
  it('that was cut short is gone on with, and counts what it removed before', async () => {
    await pipeline.addEndpoint(customerId, { url: NOBODY });
    const ids = await Promise.all(Array.from({ length: 1_200 }, () => pipeline.accept({ customerId })));
    await stranger.query('SELECT FROM delivery WHERE event_id = $1 FOR UPDATE', [ids.toSorted().at(-1)]);
    const stopping = new AbortController();
    const cut = pipeline.erase(customerId, stopping.signal);
    // The second thousand waits.
    await untilWaiting(1);
    expect(await pipeline.erase(customerId)).toEqual({ kind: 'underway' });
    stopping.abort();
    await stranger.query('COMMIT');
    await expect(cut).rejects.toThrow();
    expect(await rowsOf('delivery')).toBe(0);
    expect(await rowsOf('event')).toBe(1_200);

    const lines: object[] = [];
    const write = () => undefined;
    const logger = {
      debug: write,
      info: (event: string, fields?: object) => void lines.push({ event, ...fields }),
      warn: write,
      error: write,
    };
    const queue = { eraseCustomer: () => Promise.resolve() };
    await Promise.all([1, 2].map(() => finishErasures({ pool, queue, logger }, ALL)));
    expect(lines).toEqual([
      {
        event: 'customer.erased',
        customer_id: customerId,
        removed: expect.objectContaining({ deliveries: 1_200, events: 1_200, endpoints: 1 }),
      },
    ]);
    expect(await count(`customer WHERE id = '${customerId}'`)).toBe(0);
    expect(await count('erasure')).toBe(0);
  });

  it('that somebody else has finished removes nothing of the next customer of the same id', async () => {
    const client = await pool.connect();
    const erasure = await begin(client, customerId);
    expect(await pipeline.erase(customerId)).toMatchObject({ kind: 'erased' });
    await pipeline.addCustomer(customerId);
    await pipeline.accept({ customerId });
    const removeAll = async (client: pg.PoolClient) => {
      await client.query('DELETE FROM event WHERE customer_id = $1', [customerId]);
      return {};
    };
    await expect(erasure!.part(removeAll)).rejects.toThrow(ErasureOver);
    await client.query('ROLLBACK');
    // Also while that one is being erased as well.
    await begin(client, customerId);
    await expect(erasure!.finish(removeAll)).rejects.toThrow(ErasureOver);
    client.release(true);
    expect(await rowsOf('event')).toBe(1);
    await pipeline.erase(customerId);
  });

  it('goes on without the queue when that is away, and says so', async () => {
    const warned: string[] = [];
    const write = () => undefined;
    const logger = {
      debug: write,
      info: write,
      warn: (event: string) => void warned.push(event),
      error: write,
    };
    const queue = { eraseCustomer: () => Promise.reject(new Error('away')) };
    await begun(customerId);
    await finishErasures({ pool, queue, logger }, ALL);
    expect(warned).toEqual(['customer.queue_not_erased']);
    expect(await count(`customer WHERE id = '${customerId}'`)).toBe(0);
  });

  it('never removes a customer that was made again under the same id, however many were asked for', async () => {
    for (let round = 0; round < 8; round += 1) {
      await pipeline.addCustomer(customerId);
      await pipeline.addEndpoint(customerId, { url: NOBODY });
      const erasures = Array.from({ length: 4 }, () => pipeline.erase(customerId));
      await Promise.any(
        erasures.map(async (erasure) =>
          (await erasure).kind === 'erased' ? undefined : Promise.reject(new Error('not this one')),
        ),
      );
      await pipeline.addCustomer(customerId);
      await Promise.all(erasures);
      expect(await pipeline.accept({ customerId })).toBeTruthy();
      await pipeline.erase(customerId);
    }
  });
});
