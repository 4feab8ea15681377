import type pg from 'pg';

import { explainDuplicates, type DuplicateCauses, type RecordedAttempt } from './duplicates.js';
import type { FaultRecord } from './faults.js';
import type { OperatorAct } from './operator.js';
import type { AcceptedEvent } from './producer.js';
import type { Receipt } from './receivers.js';

export interface Audit {
  accepted: number;
  eventsInPostgres: number;
  /** Deliveries by status. */
  deliveries: Record<string, number>;
  attempts: Record<string, number>;
  /** Accepted, but not there, not with all its deliveries, or not ended. */
  lost: string[];
  /** Says delivered, but its endpoint never answered 2xx. */
  deliveredWithoutReceipt: number;
  duplicates: DuplicateCauses;
  /** Replays that opened a delivery which ended without another attempt, though nobody cancelled it. */
  replaysNotSent: string[];
  ledger: { accepted: number; counted: number; balances: boolean };
  /** From the last fault to the last delivery that ended. */
  slowestEndMs: number | null;
}

/** Compares what was promised with what Postgres holds and what the endpoints saw. */
export async function audit(
  pool: pg.Pool,
  given: {
    accepted: ReadonlyMap<string, AcceptedEvent>;
    receipts: readonly Receipt[];
    faults: readonly FaultRecord[];
    acts: readonly OperatorAct[];
    /** Deliveries that a replay opened, by endpoint and webhook id. */
    replayed: ReadonlySet<string>;
    jobLockMs: number;
  },
): Promise<Audit> {
  const { accepted, receipts, faults, acts, replayed, jobLockMs } = given;
  const events = await readEvents(pool);
  const deliveries = await readDeliveries(pool);
  const received = new Set(
    receipts.filter(({ answeredAtMs }) => answeredAtMs !== null).map((receipt) => keyOf(receipt)),
  );
  const attempts = await readAttempts(pool);
  const lastFaultMs = Math.max(...faults.map(({ atMs }) => atMs));
  const lastEndMs = Math.max(...deliveries.map(({ finishedAtMs }) => finishedAtMs ?? 0));
  return {
    accepted: accepted.size,
    eventsInPostgres: events.size,
    deliveries: counted(deliveries.map(({ status }) => status)),
    attempts: counted([...attempts.values()].flat().map(({ status }) => status)),
    lost: [...accepted]
      .filter(([id, event]) => {
        const found = events.get(id);
        return found?.ended !== event.deliveries || found.deliveryCount !== event.deliveries;
      })
      .map(([id]) => id),
    deliveredWithoutReceipt: deliveries.filter(
      (delivery) => delivery.status === 'delivered' && !received.has(keyOf(delivery)),
    ).length,
    duplicates: explainDuplicates(
      receipts,
      (endpoint, webhookId) => attempts.get(keyOf({ endpoint, webhookId })) ?? [],
      faults,
      acts,
      jobLockMs,
    ),
    replaysNotSent: deliveries
      .filter((delivery) => replayed.has(keyOf(delivery)) && !delivery.sentSinceReplay && !delivery.cancelled)
      .map(keyOf),
    ledger: await readLedger(pool),
    slowestEndMs: Number.isFinite(lastFaultMs) ? lastEndMs - lastFaultMs : null,
  };
}

/** How many deliveries have not ended. */
export async function countUnfinished(pool: pg.Pool): Promise<number> {
  const { rows } = await pool.query<{ count: number }>(
    `SELECT count(*)::int AS count FROM delivery WHERE status IN ('pending', 'held')`,
  );
  return rows[0]?.count ?? 0;
}

const WEBHOOK_ID = `(e.body::json) ->> 'id'`;
const ENDPOINT = `substring(p.url FROM '[^/]+$')`;

function keyOf({ endpoint, webhookId }: { endpoint: string; webhookId: string }): string {
  return `${endpoint} ${webhookId}`;
}

async function readEvents(pool: pg.Pool): Promise<Map<string, { deliveryCount: number; ended: number }>> {
  const { rows } = await pool.query<{ id: string; delivery_count: number; ended: number }>(`
    SELECT ${WEBHOOK_ID} AS id, e.delivery_count, COALESCE(d.ended, 0)::int AS ended
      FROM event e
      LEFT JOIN (SELECT event_id, count(*) AS ended FROM delivery
                  WHERE status IN ('delivered', 'dead_lettered', 'cancelled') GROUP BY event_id) d ON d.event_id = e.id`);
  return new Map(rows.map((row) => [row.id, { deliveryCount: row.delivery_count, ended: row.ended }]));
}

interface EndedDelivery {
  webhookId: string;
  endpoint: string;
  status: string;
  finishedAtMs: number | null;
  /** An attempt was recorded after its last replay, or one that was under way ended it. */
  sentSinceReplay: boolean;
  /** By the operator, or by a resume that asked for it; also where it stays delivered all the same. */
  cancelled: boolean;
}

async function readDeliveries(pool: pg.Pool): Promise<EndedDelivery[]> {
  const { rows } = await pool.query<{
    webhook_id: string;
    endpoint: string;
    status: string;
    finished_at: Date | null;
    sent_since_replay: boolean;
    cancelled: boolean;
  }>(`
    SELECT ${WEBHOOK_ID} AS webhook_id, ${ENDPOINT} AS endpoint, d.status, d.finished_at,
           COALESCE(d.attempts > d.replayed_after, true)
             -- A success that was on the wire when it was asked for; what had been delivered before keeps the first time.
             OR (d.status = 'delivered' AND d.delivered_at IS NULL) AS sent_since_replay,
           COALESCE(d.reason IN ('cancelled_by_request', 'held_cancelled'), false) AS cancelled
      FROM delivery d JOIN event e ON e.id = d.event_id JOIN endpoint p ON p.id = d.endpoint_id`);
  return rows.map((row) => ({
    webhookId: row.webhook_id,
    endpoint: row.endpoint,
    status: row.status,
    finishedAtMs: row.finished_at?.getTime() ?? null,
    sentSinceReplay: row.sent_since_replay,
    cancelled: row.cancelled,
  }));
}

async function readAttempts(pool: pg.Pool): Promise<Map<string, RecordedAttempt[]>> {
  const { rows } = await pool.query<{
    webhook_id: string;
    endpoint: string;
    status: string;
    started_at: Date;
  }>(`
    SELECT ${WEBHOOK_ID} AS webhook_id, ${ENDPOINT} AS endpoint, a.status, a.started_at
      FROM attempt a JOIN delivery d ON d.id = a.delivery_id
      JOIN event e ON e.id = d.event_id JOIN endpoint p ON p.id = d.endpoint_id
     ORDER BY a.started_at`);
  const attempts = new Map<string, RecordedAttempt[]>();
  for (const row of rows) {
    const key = keyOf({ endpoint: row.endpoint, webhookId: row.webhook_id });
    const attempt = { status: row.status, startedAtMs: row.started_at.getTime() };
    const some = attempts.get(key);
    if (some) some.push(attempt);
    else attempts.set(key, [attempt]);
  }
  return attempts;
}

/** Accepted is what was promised, stored with the events; the rest is counted: so it can be wrong. Per customer. */
async function readLedger(pool: pg.Pool): Promise<Audit['ledger']> {
  const { rows } = await pool.query<{ accepted: number; counted: number }>(`
    SELECT COALESCE(e.accepted, 0)::int AS accepted, COALESCE(d.counted, 0)::int AS counted
      FROM (SELECT customer_id, sum(delivery_count) AS accepted FROM event GROUP BY customer_id) e
      FULL JOIN (SELECT customer_id, count(*) AS counted FROM delivery GROUP BY customer_id) d USING (customer_id)`);
  return {
    accepted: rows.reduce((sum, row) => sum + row.accepted, 0),
    counted: rows.reduce((sum, row) => sum + row.counted, 0),
    balances: rows.every((row) => row.accepted === row.counted),
  };
}

function counted(names: readonly string[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const name of [...names].sort()) counts[name] = (counts[name] ?? 0) + 1;
  return counts;
}
