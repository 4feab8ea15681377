import { firstUuidAt } from '@posthorn/domain';
import type pg from 'pg';

import { inParallel } from '../frame/in-parallel.js';

/** The one with half of everything, one in the middle of the others, and one with a few a day. */
export const HUGE = 'huge';
export const MEDIUM = 'customer-20';
export const TINY = 'tiny';
/** One event in so many of those older than `RARE_BEFORE_DAYS`; nothing since. */
const RARE_NTH = 20_000;
const RARE_BEFORE_DAYS = 20;
export const RARE_TYPE = 'contract.expired';
export const COMMON_TYPE = 'order.created';
const TYPES = [
  COMMON_TYPE,
  ...['order.paid', 'order.sent', 'order.returned', 'invoice.paid', 'invoice.failed', 'user.created'],
  ...['user.changed', 'user.deleted', 'product.changed', 'product.sold_out', 'stock.counted'],
];

const CUSTOMERS = 999;
const ENDPOINTS = 3;
const HUGE_ENDPOINTS = 12;
/** Of the huge customer: those that get events all the time; the one that got some long ago; the last never got any. */
const BUSY_ENDPOINTS = HUGE_ENDPOINTS - 2;
const TINY_PER_DAY = 2;
const DELIVERIES_PER_EVENT = 1.5;
const DAY_MS = 86_400_000;
export const HISTORY_DAYS = 30;
const CONNECTIONS = 2;

export interface History {
  events: number;
  deliveries: number;
  attempts: number;
  bytes: number;
  seconds: number;
  fromMs: number;
  untilMs: number;
}

/** Endpoint ids of the huge customer, by what they get. */
export interface HugeEndpoints {
  busy: string;
  stale: string;
  unused: string;
}

/** Customers and their endpoints. The greatest has 12, the others 3 each. */
export async function loadCustomers(pool: pg.Pool): Promise<HugeEndpoints> {
  await pool.query(
    `INSERT INTO customer (id) SELECT 'customer-' || n FROM generate_series(1, ${CUSTOMERS}) n`,
  );
  await pool.query(`INSERT INTO customer (id) VALUES ('${HUGE}'), ('${TINY}')`);
  await pool.query(`
    CREATE TABLE history_endpoint AS
    SELECT c.id AS customer_id, no, uuidv7() AS id
      FROM customer c
     CROSS JOIN LATERAL generate_series(0, CASE c.id WHEN '${HUGE}' THEN ${HUGE_ENDPOINTS} ELSE ${ENDPOINTS} END - 1) no
     WHERE c.id <> 'posthorn'`);
  await pool.query(`
    INSERT INTO endpoint (id, customer_id, url, event_types)
    SELECT id, customer_id, 'https://hooks.example.com/' || id, '{*}' FROM history_endpoint`);
  await pool.query('ANALYZE history_endpoint; ANALYZE customer; ANALYZE endpoint');
  const { rows } = await pool.query<{ no: number; id: string }>(
    'SELECT no, id FROM history_endpoint WHERE customer_id = $1 ORDER BY no',
    [HUGE],
  );
  const ids = rows.map(({ id }) => id);
  return { busy: ids[0] ?? '', stale: ids[BUSY_ENDPOINTS] ?? '', unused: ids[BUSY_ENDPOINTS + 1] ?? '' };
}

/**
 * About so many deliveries of the last thirty days, with their events and attempts, in place of what was there: 1.5 to an
 * event, half of them the huge customer's, those of the others as 1/rank. Written by Postgres itself.
 */
export async function loadHistory(pool: pg.Pool, deliveries: number, untilMs: number): Promise<History> {
  const startedMs = performance.now();
  await pool.query('TRUNCATE event, delivery, attempt, one_shot');
  const fromMs = untilMs - HISTORY_DAYS * DAY_MS;
  const rareUntilMs = untilMs - RARE_BEFORE_DAYS * DAY_MS;
  const perDay = Math.ceil(deliveries / DELIVERIES_PER_EVENT / HISTORY_DAYS);
  const days = Array.from({ length: HISTORY_DAYS }, (_, day) => fromMs + day * DAY_MS);
  await inParallel(days, CONNECTIONS, async (dayMs) => {
    await pool.query(EVENTS, [dayMs, perDay, rareUntilMs]);
    const range = [firstUuidAt(dayMs), firstUuidAt(dayMs + DAY_MS)];
    await pool.query(DELIVERIES, [...range, rareUntilMs, untilMs]);
    await pool.query(ATTEMPTS, range);
    await pool.query(ONE_SHOTS, range);
  });
  // What autovacuum does in the course of a month.
  await inParallel(['event', 'delivery', 'attempt', 'one_shot'], CONNECTIONS, (table) =>
    pool.query(`VACUUM (ANALYZE) ${table}`),
  );
  const { rows } = await pool.query<{ events: string; deliveries: string; attempts: string; bytes: string }>(
    `SELECT (SELECT count(*) FROM event) AS events, (SELECT count(*) FROM delivery) AS deliveries,
            (SELECT count(*) FROM attempt) AS attempts, pg_database_size(current_database()) AS bytes`,
  );
  const [row] = rows;
  return {
    events: Number(row?.events),
    deliveries: Number(row?.deliveries),
    attempts: Number(row?.attempts),
    bytes: Number(row?.bytes),
    seconds: Math.round((performance.now() - startedMs) / 1000),
    fromMs,
    untilMs,
  };
}

/** $1: the day's beginning, $2: how many, $3: until when rare ones come. Times are spread evenly, the rest is chance. */
const EVENTS = `
INSERT INTO event (id, customer_id, type, occurred_at, accepted_at, body, delivery_count)
SELECT id, customer_id, type, at, at,
       '{"id":"evt_01jzzzzzzzzzzzzzzzzzzzzzzz","type":"' || type || '","timestamp":"' || at || '","data":{"text":"'
         || repeat('lorem ipsum ', 10 + (n % 40)::int) || '","number":' || n || '}}',
       CASE WHEN n % 10 < 6 THEN 1 WHEN n % 10 < 9 THEN 2 ELSE 3 END
  FROM (SELECT n, to_timestamp(ms / 1000.0) AS at,
               (lpad(to_hex(ms), 12, '0') || '7' || substr(noise, 1, 3) || '8' || substr(noise, 4, 15))::uuid AS id,
               CASE WHEN n <= ${TINY_PER_DAY} THEN '${TINY}'
                    WHEN owner < 0.5 THEN '${HUGE}'
                    ELSE 'customer-' || floor(exp(rank * ln(${CUSTOMERS + 1})))::int END AS customer_id,
               CASE WHEN ms < $3::bigint AND rare * ${RARE_NTH} < 1 THEN '${RARE_TYPE}'
                    ELSE ('{${TYPES.join(',')}}'::text[])[floor(exp(kind * ln(${TYPES.length + 1})))::int] END AS type
          FROM (SELECT n, $1::bigint + floor(${DAY_MS}.0 * (n - 1) / $2::bigint)::bigint AS ms, md5(random()::text) AS noise,
                       random() AS owner, random() AS rank, random() AS kind, random() AS rare
                  FROM generate_series(1, $2::bigint) n) chance) described`;

/**
 * $1, $2: the ids of the day, $3: until when the stale endpoint got events, $4: the present. Of the last day some wait for
 * a retry; of those before some are dead letters, cancelled, or held, which is rare.
 */
const DELIVERIES = `
INSERT INTO delivery (id, event_id, endpoint_id, customer_id, type, status, attempts, next_attempt_at, waiting_for, reason,
                      expires_at, last_attempt_at, last_response_code, last_error, created_at, finished_at)
SELECT delivery_id(event_id, endpoint_id), event_id, endpoint_id, customer_id, type, status, attempts,
       CASE WHEN status = 'pending' THEN now() + interval '1 second' * (60 + chance % 30000) END,
       CASE WHEN status = 'pending' THEN 'retry' END,
       CASE status WHEN 'dead_lettered' THEN 'attempts_exhausted' WHEN 'cancelled' THEN 'requested'
                   WHEN 'held' THEN 'endpoint_paused' END,
       created_at + interval '4 days',
       CASE WHEN attempts > 0 THEN created_at + interval '1 minute' * (attempts - 1) END,
       CASE WHEN status = 'delivered' THEN 200 WHEN attempts > 0 THEN 503 END,
       CASE WHEN status <> 'delivered' AND attempts > 0 THEN 'status' END,
       created_at,
       CASE WHEN status IN ('delivered', 'dead_lettered', 'cancelled') THEN created_at + interval '1 minute' * attempts END
  FROM (SELECT *, CASE status WHEN 'delivered' THEN CASE WHEN chance % 100 < 90 THEN 1 ELSE 2 + chance % 2 END
                              WHEN 'dead_lettered' THEN 12 WHEN 'pending' THEN 1 + chance % 6
                              WHEN 'cancelled' THEN 1 ELSE 0 END AS attempts
          FROM (SELECT e.id AS event_id, p.id AS endpoint_id, e.customer_id, e.type, e.accepted_at AS created_at, chance,
                       CASE WHEN e.accepted_at > to_timestamp($4::bigint / 1000.0) - interval '1 day'
                            THEN CASE WHEN chance < 58000 THEN 'delivered' WHEN chance < 63000 THEN 'pending'
                                      WHEN chance < 64500 THEN 'dead_lettered' ELSE 'cancelled' END
                            ELSE CASE WHEN chance < 63500 THEN 'delivered' WHEN chance < 64800 THEN 'dead_lettered'
                                      WHEN chance < 65500 THEN 'cancelled' ELSE 'held' END END AS status
                  FROM event e
                 CROSS JOIN LATERAL generate_series(0, e.delivery_count - 1) copy
                 CROSS JOIN LATERAL (SELECT (uuid_hash_extended(e.id, copy) & 65535)::int AS chance,
                                            (uuid_hash_extended(e.id, 100) & 65535)::int AS first) dice
                  JOIN history_endpoint p ON p.customer_id = e.customer_id
                   AND p.no = CASE WHEN e.customer_id <> '${HUGE}' THEN (first + copy) % ${ENDPOINTS}
                                   WHEN copy = 0 AND first % 500 = 0 AND e.accepted_at < to_timestamp($3::bigint / 1000.0)
                                   THEN ${BUSY_ENDPOINTS} ELSE (first + copy) % ${BUSY_ENDPOINTS} END
                 WHERE e.id >= $1::uuid AND e.id < $2::uuid) ended) counted`;

const ATTEMPTS = `
INSERT INTO attempt (delivery_id, number, trigger, status, response_code, latency_ms, error_code, error_message,
                     request_headers, response_headers, response_body, address, started_at)
SELECT d.id, number, 'automatic', CASE WHEN good THEN 'delivered' ELSE 'failed' END, CASE WHEN good THEN 200 ELSE 503 END,
       5 + (uuid_hash_extended(d.id, number) & 255)::int, CASE WHEN NOT good THEN 'status' END,
       CASE WHEN NOT good THEN 'The endpoint answered 503' END,
       '{"content-type":"application/json","webhook-id":"evt_01jzzzzzzzzzzzzzzzzzzzzzzz","webhook-timestamp":"1790000000","webhook-signature":"v1,K5oZfzN95Z9UVu1EsfQmfVNQhnkZ2pj9o9NDN/H/pI4="}'::json,
       '{"content-type":"application/json; charset=utf-8","content-length":"15","date":"Sat, 21 Nov 2026 12:00:00 GMT","server":"nginx"}'::json,
       '\\x7b227265636569766564223a747275657d'::bytea, '203.0.113.7', d.created_at + interval '1 minute' * (number - 1)
  FROM delivery d
 CROSS JOIN LATERAL generate_series(1, d.attempts) number
 CROSS JOIN LATERAL (SELECT number = d.attempts AND d.status = 'delivered' AS good) ended
 WHERE d.id >= $1::uuid AND d.id < $2::uuid`;

/** One delivery in a thousand is a one-shot as well, so that their status can be asked for. */
const ONE_SHOTS = `
INSERT INTO one_shot (id, delivery_id, url, open_for_ms)
SELECT event_id, id, 'https://hooks.example.com/once', 86400000
  FROM delivery
 WHERE id >= $1::uuid AND id < $2::uuid AND uuid_hash_extended(id, 1000) % 1000 = 0
ON CONFLICT DO NOTHING`;
