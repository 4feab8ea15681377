import { createStatement, DAY_MS, isoDay, inTransaction } from '@posthorn/database';
import type { DeliveryRef } from '@posthorn/domain';
import type pg from 'pg';

/** Longer than any accept statement may run: what claimed a key before midnight has committed by then. */
const MIDNIGHT_OVERLAP_MS = 60_000;

export interface DeliveryToInsert extends DeliveryRef {
  status: 'pending' | 'held';
  /** Why it is held; null while pending. */
  reason: string | null;
  expiresAtMs: number;
}

export interface EventToInsert {
  id: string;
  customerId: string;
  type: string;
  externalId: string | null;
  occurredAtMs: number;
  acceptedAtMs: number;
  body: string;
  /** The version of the customer's endpoints that `deliveries` was fanned out over; null: it was compared before. */
  endpointsVersion: number | null;
  deliveries: DeliveryToInsert[];
  /** Where `deliveries` is not all of them, because the rest is inserted apart: how many there are. */
  deliveryCount?: number;
  /** SHA-256 of each idempotency key this event claims; none, one, or two (header and external id). */
  keyHashes: Buffer[];
  /** SHA-256 of the request: a repeat has the same one, another request under the same key has not. */
  requestHash: Buffer | null;
}

export type InsertOutcome = 'accepted' | 'unknown_customer' | 'stale_routes' | 'duplicate';

/**
 * Commits events, their deliveries and their idempotency keys in one statement, and returns the outcome of each event. An event is left out when its customer is unknown, when the customer's endpoints changed since it was fanned out,
 * or when another event holds one of its keys. All or nothing: when it rejects, nothing of the batch was committed.
 *
 * A concurrent duplicate waits in ON CONFLICT until the first has committed. Keys are inserted in key order, so two
 * batches never wait for each other. The key's table is partitioned by day, which its uniqueness cannot span, so in the
 * first minute of a day an event claims its key in yesterday's partition as well.
 *
 * An event with two claims may get one and lose the other. The one it got is then given back in the same transaction:
 * left behind, it would stand for an event that does not exist.
 */
export async function insertEvents(
  pool: pg.Pool,
  events: readonly EventToInsert[],
  idempotencyWindowMs: number,
): Promise<InsertOutcome[]> {
  const claims = claimsOf(events);
  if (!claims.several) return runStatement(pool, events, claims, idempotencyWindowMs);

  return inTransaction(pool, (client) => insertEventsWithin(client, events, idempotencyWindowMs, claims));
}

/** The same inside the transaction of the caller. */
export async function insertEventsWithin(
  client: pg.PoolClient,
  events: readonly EventToInsert[],
  idempotencyWindowMs: number,
  claims = claimsOf(events),
): Promise<InsertOutcome[]> {
  const outcomes = await runStatement(client, events, claims, idempotencyWindowMs);
  if (!claims.several) return outcomes;
  await giveBack(
    client,
    claims,
    new Set(events.filter((_, i) => outcomes[i] !== 'accepted').map(({ id }) => id)),
  );
  return outcomes;
}

interface Claims {
  columns: KeyColumns;
  /** Whether any event makes more than one. */
  several: boolean;
}

interface KeyColumns {
  keyEventIds: string[];
  keyCustomerIds: string[];
  keyHashes: Buffer[];
  requestHashes: (Buffer | null)[];
  keyDays: string[];
  keyAcceptedMs: number[];
}

function claimsOf(events: readonly EventToInsert[]): Claims {
  const columns: KeyColumns = {
    keyEventIds: [],
    keyCustomerIds: [],
    keyHashes: [],
    requestHashes: [],
    keyDays: [],
    keyAcceptedMs: [],
  };
  let several = false;
  for (const { id, customerId, keyHashes, requestHash, acceptedAtMs } of events) {
    if (keyHashes.length === 0) continue;
    const days = claimedDays(acceptedAtMs);
    if (keyHashes.length * days.length > 1) several = true;
    for (const keyHash of keyHashes) {
      for (const day of days) {
        columns.keyEventIds.push(id);
        columns.keyCustomerIds.push(customerId);
        columns.keyHashes.push(keyHash);
        columns.requestHashes.push(requestHash);
        columns.keyDays.push(day);
        columns.keyAcceptedMs.push(acceptedAtMs);
      }
    }
  }
  return { columns, several };
}

async function runStatement(
  client: pg.Pool | pg.PoolClient,
  events: readonly EventToInsert[],
  claims: Claims,
  idempotencyWindowMs: number,
): Promise<InsertOutcome[]> {
  const latestMs = events.reduce((latest, { acceptedAtMs }) => Math.max(latest, acceptedAtMs), 0);
  const { rows } = await client.query<{ id: string; outcome: InsertOutcome }>(
    INSERT_EVENTS({
      ...eventColumns(events),
      ...claims.columns,
      ...deliveryColumns(events),
      windowFirstDay: isoDay(latestMs - idempotencyWindowMs),
      windowLastDay: isoDay(latestMs),
      windowStartMs: latestMs - idempotencyWindowMs,
    }),
  );
  const outcomes = new Map(rows.map(({ id, outcome }) => [id, outcome]));
  return events.map(({ id }) => outcomes.get(id) ?? 'duplicate');
}

async function giveBack(
  client: pg.PoolClient,
  { columns }: Claims,
  lost: ReadonlySet<string>,
): Promise<void> {
  const given = columns.keyEventIds.flatMap((eventId, index) => (lost.has(eventId) ? [index] : []));
  if (given.length === 0) return;
  await client.query(
    GIVE_BACK_CLAIMS({
      eventIds: given.map((index) => columns.keyEventIds[index]),
      customerIds: given.map((index) => columns.keyCustomerIds[index]),
      keyHashes: given.map((index) => columns.keyHashes[index]),
      days: given.map((index) => columns.keyDays[index]),
    }),
  );
}

function eventColumns(events: readonly EventToInsert[]) {
  return {
    ids: events.map(({ id }) => id),
    customerIds: events.map(({ customerId }) => customerId),
    types: events.map(({ type }) => type),
    externalIds: events.map(({ externalId }) => externalId),
    occurredMs: events.map(({ occurredAtMs }) => occurredAtMs),
    acceptedMs: events.map(({ acceptedAtMs }) => acceptedAtMs),
    bodies: events.map(({ body }) => body),
    deliveryCounts: events.map(({ deliveryCount, deliveries }) => deliveryCount ?? deliveries.length),
    endpointsVersions: events.map(({ endpointsVersion }) => endpointsVersion),
  };
}

interface DeliveryColumns {
  deliveryIds: string[];
  deliveryEventIds: string[];
  endpointIds: string[];
  deliveryCustomerIds: string[];
  deliveryTypes: string[];
  statuses: string[];
  reasons: (string | null)[];
  createdMs: number[];
  expiresMs: number[];
}

function deliveryColumns(events: readonly EventToInsert[]): DeliveryColumns {
  const columns: DeliveryColumns = {
    deliveryIds: [],
    deliveryEventIds: [],
    endpointIds: [],
    deliveryCustomerIds: [],
    deliveryTypes: [],
    statuses: [],
    reasons: [],
    createdMs: [],
    expiresMs: [],
  };
  for (const { id, customerId, type, acceptedAtMs, deliveries } of events) {
    for (const { deliveryId, endpointId, status, reason, expiresAtMs } of deliveries) {
      columns.deliveryIds.push(deliveryId);
      columns.deliveryEventIds.push(id);
      columns.endpointIds.push(endpointId);
      columns.deliveryCustomerIds.push(customerId);
      columns.deliveryTypes.push(type);
      columns.statuses.push(status);
      columns.reasons.push(reason);
      columns.createdMs.push(acceptedAtMs);
      columns.expiresMs.push(expiresAtMs);
    }
  }
  return columns;
}

function claimedDays(acceptedAtMs: number): string[] {
  const today = isoDay(acceptedAtMs);
  return acceptedAtMs % DAY_MS < MIDNIGHT_OVERLAP_MS ? [isoDay(acceptedAtMs - DAY_MS), today] : [today];
}

// `(x IN (SELECT …)) IS TRUE` keeps the planner from turning the test into a nested loop: it guesses ten rows where a batch
// has hundreds, and a hashed subplan is linear whatever it guesses. What is looked up in tables is looked up row by row:
// LIMIT 1 keeps it from becoming a join, which would read all customers, or all keys of a day, for a few events.
const INSERT_EVENTS = createStatement<
  ReturnType<typeof eventColumns> &
    KeyColumns &
    DeliveryColumns & { windowFirstDay: string; windowLastDay: string; windowStartMs: number }
>({
  name: 'insert_events',
  text: `
WITH input AS (
  SELECT * FROM unnest(
      :ids::uuid[], :customerIds::text[], :types::text[], :externalIds::text[], :occurredMs::bigint[], :acceptedMs::bigint[],
      :bodies::text[], :deliveryCounts::int[], :endpointsVersions::int[])
    AS t (id, customer_id, type, external_id, occurred_ms, accepted_ms, body, delivery_count, endpoints_version)
), key AS (
  SELECT * FROM unnest(
      :keyEventIds::uuid[], :keyCustomerIds::text[], :keyHashes::bytea[], :requestHashes::bytea[],
      :keyDays::date[], :keyAcceptedMs::bigint[])
    AS t (event_id, customer_id, key_hash, request_hash, day, accepted_ms)
), held AS (
  SELECT k.event_id
    FROM key k
   CROSS JOIN LATERAL (
     SELECT FROM idempotency_key
      WHERE customer_id = k.customer_id AND key_hash = k.key_hash
        AND day BETWEEN :windowFirstDay::date AND :windowLastDay::date AND created_at > to_timestamp(:windowStartMs::bigint / 1000.0)
      LIMIT 1
   ) p
), checked AS (
  SELECT i.*,
         CASE WHEN c.id IS NULL THEN 'unknown_customer'
              WHEN (i.id IN (SELECT event_id FROM held)) IS TRUE THEN 'duplicate'
              WHEN c.endpoints_version <> i.endpoints_version THEN 'stale_routes'
         END AS refusal
    FROM input i
    LEFT JOIN LATERAL (SELECT id, endpoints_version FROM customer WHERE id = i.customer_id AND erased_at IS NULL LIMIT 1) c ON true
), claim AS (
  INSERT INTO idempotency_key (day, customer_id, key_hash, request_hash, event_id, created_at)
  SELECT k.day, k.customer_id, k.key_hash, k.request_hash, k.event_id, to_timestamp(k.accepted_ms / 1000.0)
    FROM key k
   WHERE (k.event_id IN (SELECT id FROM checked WHERE refusal IS NULL)) IS TRUE
   ORDER BY k.customer_id, k.key_hash, k.day
  ON CONFLICT DO NOTHING
  RETURNING event_id, key_hash, day
), unclaimed AS (
  SELECT event_id, key_hash, day FROM key EXCEPT SELECT event_id, key_hash, day FROM claim
), accepted AS (
  INSERT INTO event (id, customer_id, type, external_id, occurred_at, accepted_at, body, delivery_count)
  SELECT id, customer_id, type, external_id, to_timestamp(occurred_ms / 1000.0), to_timestamp(accepted_ms / 1000.0), body, delivery_count
    FROM checked
   WHERE refusal IS NULL AND (id IN (SELECT event_id FROM unclaimed)) IS NOT TRUE
  RETURNING id
), fanned_out AS (
  INSERT INTO delivery (id, event_id, endpoint_id, customer_id, type, status, reason, next_attempt_at, created_at, expires_at)
  SELECT d.id, d.event_id, d.endpoint_id, d.customer_id, d.type, d.status, d.reason,
         CASE WHEN d.status = 'pending' THEN to_timestamp(d.accepted_ms / 1000.0) END,
         to_timestamp(d.accepted_ms / 1000.0), to_timestamp(d.expires_ms / 1000.0)
    FROM unnest(
      :deliveryIds::uuid[], :deliveryEventIds::uuid[], :endpointIds::uuid[], :deliveryCustomerIds::text[], :deliveryTypes::text[],
      :statuses::text[], :reasons::text[], :createdMs::bigint[], :expiresMs::bigint[])
      AS d (id, event_id, endpoint_id, customer_id, type, status, reason, accepted_ms, expires_ms)
   WHERE (d.event_id IN (SELECT id FROM accepted)) IS TRUE
)
SELECT id,
       CASE WHEN refusal IS NOT NULL THEN refusal
            WHEN (id IN (SELECT id FROM accepted)) IS TRUE THEN 'accepted'
            ELSE 'duplicate'
       END AS outcome
  FROM checked`,
});

const GIVE_BACK_CLAIMS = createStatement<
  Record<'eventIds' | 'customerIds' | 'keyHashes' | 'days', unknown[]>
>({
  name: 'give_back_claims',
  text: `
    DELETE FROM idempotency_key k
     USING unnest(:eventIds::uuid[], :customerIds::text[], :keyHashes::bytea[], :days::date[])
             AS c (event_id, customer_id, key_hash, day)
     WHERE k.customer_id = c.customer_id AND k.key_hash = c.key_hash AND k.day = c.day AND k.event_id = c.event_id`,
});
