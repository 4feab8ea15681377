import { type AttemptStatus, type AttemptTrigger, type DeliveryStatus, firstUuidAt } from '@posthorn/domain';
import type pg from 'pg';

/** Attempts of everybody that are looked through, and new deliveries of those asked about. */
const READ_MAX = 20_000;
/** An id is made this long before its transaction begins at most: whoever accepts may wait for a commit to join. */
const ACCEPT_WAIT_MS = 10_000;
/** What is committed later than this after its transaction began is told of by its first attempt only. */
const LATE_MAX_MS = 600_000;
/** Nobody resumes from further back. */
const RESUME_MAX_MS = 3_600_000;

/** What a snapshot of Postgres shows, so that the next one tells what is new. Transactions are 64 bits wide, hence text. */
export interface NewsPlace {
  nextXid: string;
  openXids: string[];
  /** Since when the oldest of them was open. */
  sinceMs: number;
}

export interface NewsDelivery {
  id: string;
  eventId: string;
  endpointId: string;
  customerId: string;
  type: string;
  status: DeliveryStatus;
  reason: string | null;
  attempts: number;
  nextAttemptAt: Date | null;
  lastResponseCode: number | null;
  createdAt: Date;
  finishedAt: Date | null;
  test: boolean;
}

export interface NewsAttempt {
  number: number;
  trigger: AttemptTrigger;
  status: AttemptStatus;
  responseCode: number | null;
  latencyMs: number;
  errorCode: string | null;
  errorMessage: string | null;
  startedAt: Date;
  nextAttemptAt: Date | null;
}

/** A delivery that was made (`attempt` null), or that an attempt was recorded of. The delivery is as it is when read. */
export interface NewsItem {
  delivery: NewsDelivery;
  attempt: NewsAttempt | null;
}

export interface NewsQuestion {
  after: NewsPlace;
  customerIds: readonly string[];
}

export interface News {
  items: NewsItem[];
  /** Too much, or too long ago: `items` is not all of it. */
  gap: boolean;
}

/**
 * Answers each question with what was recorded since its place, and says where all of them stand then: one snapshot. What
 * this snapshot does not show was recorded by transactions it calls open, so nothing that is committed late is missed. See
 * docs/adr/0014-reading-attempts.md.
 */
export async function readNews(
  pool: pg.Pool,
  questions: readonly NewsQuestion[],
): Promise<{ place: NewsPlace; news: News[] }> {
  const client = await pool.connect();
  try {
    // Before the snapshot: what it calls open is older than this says by the accept wait at most.
    const openSinceMs = await readOpenSince(client);
    await client.query('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY');
    const place = await readPlace(client, openSinceMs);
    const news: News[] = [];
    for (const question of questions) news.push(await answer(client, place, question));
    await client.query('COMMIT');
    client.release();
    return { place, news };
  } catch (error) {
    client.release(true);
    throw error;
  }
}

async function readOpenSince(client: pg.PoolClient): Promise<number> {
  const { rows } = await client.query<{ ms: number }>(
    `SELECT (extract(epoch FROM GREATEST(
              LEAST(clock_timestamp(), min(xact_start)), clock_timestamp() - $1 * interval '1 millisecond')) * 1000)::float8 AS ms
       FROM pg_stat_activity WHERE backend_xid IS NOT NULL`,
    [LATE_MAX_MS],
  );
  return Math.floor(rows[0]?.ms ?? 0);
}

async function readPlace(client: pg.PoolClient, sinceMs: number): Promise<NewsPlace> {
  const { rows } = await client.query<Omit<NewsPlace, 'sinceMs'>>(
    `SELECT pg_snapshot_xmax(s)::text AS "nextXid", ARRAY(SELECT pg_snapshot_xip(s))::text[] AS "openXids"
       FROM pg_current_snapshot() AS s`,
  );
  const [row] = rows;
  if (!row) throw new Error('A snapshot cannot be missing');
  return { ...row, sinceMs };
}

async function answer(
  client: pg.PoolClient,
  now: NewsPlace,
  { after, customerIds }: NewsQuestion,
): Promise<News> {
  if (customerIds.length === 0) return { items: [], gap: false };
  // Numbered from lower on: the database was restored from a dump.
  const restored = BigInt(after.nextXid) > BigInt(now.nextXid);
  if (restored || after.sinceMs < now.sinceMs - RESUME_MAX_MS) return { items: [], gap: true };
  const created = await readCreated(client, now, after, customerIds);
  const attempted = await readAttempted(client, after, customerIds);
  return { items: [...created.items, ...attempted.items], gap: created.gap || attempted.gap };
}

const DELIVERY_COLUMNS = `id, event_id, endpoint_id, customer_id, type, status, reason, attempts,
  next_attempt_at, last_response_code, created_at, finished_at, test`;

interface DeliveryRow {
  id: string;
  event_id: string;
  endpoint_id: string;
  customer_id: string;
  type: string;
  status: DeliveryStatus;
  reason: string | null;
  attempts: number;
  next_attempt_at: Date | null;
  last_response_code: number | null;
  created_at: Date;
  finished_at: Date | null;
  test: boolean;
}

/**
 * By the transaction that wrote the event, which nothing but a replay to another endpoint changes: its deliveries are told
 * of again then, if they are that young. A row's `xmin` is the lower half of the transaction's number.
 */
async function readCreated(
  client: pg.PoolClient,
  now: NewsPlace,
  after: NewsPlace,
  customerIds: readonly string[],
): Promise<News> {
  const { rows } = await client.query<DeliveryRow>({
    name: 'read_news_created',
    text: `
      WITH young AS MATERIALIZED (
        SELECT ${DELIVERY_COLUMNS} FROM delivery WHERE customer_id = ANY ($1::text[]) AND id >= $2::uuid
      )
      SELECT young.* FROM young
       CROSS JOIN LATERAL (
         SELECT $3::bigint - (($3::bigint - e.xmin::text::bigint) & 4294967295) AS xid FROM event e WHERE e.id = young.event_id OFFSET 0
       ) written
       WHERE written.xid >= $4::bigint OR written.xid = ANY ($5::bigint[])
       ORDER BY young.id LIMIT ${READ_MAX + 1}`,
    values: [
      customerIds,
      firstUuidAt(Math.max(0, after.sinceMs - ACCEPT_WAIT_MS)),
      now.nextXid,
      after.nextXid,
      after.openXids,
    ],
  });
  return {
    items: rows.slice(0, READ_MAX).map((row) => ({ delivery: deliveryOf(row), attempt: null })),
    gap: rows.length > READ_MAX,
  };
}

interface AttemptRow extends DeliveryRow {
  number: number;
  trigger: AttemptTrigger;
  attempt_status: AttemptStatus;
  response_code: number | null;
  latency_ms: number;
  error_code: string | null;
  error_message: string | null;
  started_at: Date;
  attempt_next_at: Date | null;
  /** How many attempts were looked through, of everybody. */
  read: number;
}

async function readAttempted(
  client: pg.PoolClient,
  after: NewsPlace,
  customerIds: readonly string[],
): Promise<News> {
  const { rows } = await client.query<AttemptRow | { id: null; read: number }>({
    name: 'read_news_attempted',
    text: `
      WITH fresh AS MATERIALIZED (
        (SELECT ${ATTEMPT_COLUMNS} FROM attempt WHERE settled_in >= $2::xid8 LIMIT ${READ_MAX + 1})
         UNION ALL
        SELECT ${ATTEMPT_COLUMNS} FROM attempt WHERE settled_in = ANY ($3::xid8[])
      ), theirs AS (
        SELECT d.*, f.number, f.trigger, f.status AS attempt_status, f.response_code, f.latency_ms, f.error_code,
               f.error_message, f.started_at, f.next_attempt_at AS attempt_next_at, f.settled_in
          FROM fresh f
         CROSS JOIN LATERAL (
           SELECT ${DELIVERY_COLUMNS} FROM delivery WHERE id = f.delivery_id AND customer_id = ANY ($1::text[]) OFFSET 0
         ) d
      )
      SELECT t.*, counted.read FROM (SELECT count(*)::int AS read FROM fresh) counted LEFT JOIN theirs t ON true
       ORDER BY t.settled_in, t.started_at, t.id, t.number`,
    values: [customerIds, after.nextXid, after.openXids],
  });
  return {
    items: rows.flatMap((row) =>
      row.id === null ? [] : [{ delivery: deliveryOf(row), attempt: attemptOf(row) }],
    ),
    gap: (rows[0]?.read ?? 0) > READ_MAX,
  };
}

const ATTEMPT_COLUMNS = `delivery_id, number, trigger, status, response_code, latency_ms, error_code, error_message,
  started_at, next_attempt_at, settled_in`;

function deliveryOf(row: DeliveryRow): NewsDelivery {
  return {
    id: row.id,
    eventId: row.event_id,
    endpointId: row.endpoint_id,
    customerId: row.customer_id,
    type: row.type,
    status: row.status,
    reason: row.reason,
    attempts: row.attempts,
    nextAttemptAt: row.next_attempt_at,
    lastResponseCode: row.last_response_code,
    createdAt: row.created_at,
    finishedAt: row.finished_at,
    test: row.test,
  };
}

function attemptOf(row: AttemptRow): NewsAttempt {
  return {
    number: row.number,
    trigger: row.trigger,
    status: row.attempt_status,
    responseCode: row.response_code,
    latencyMs: row.latency_ms,
    errorCode: row.error_code,
    errorMessage: row.error_message,
    startedAt: row.started_at,
    nextAttemptAt: row.attempt_next_at,
  };
}
