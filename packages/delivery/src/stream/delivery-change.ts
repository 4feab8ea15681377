import type { AttemptStatus, AttemptTrigger, DeliveryStatus } from '@posthorn/domain';

/**
 * What a snapshot of Postgres shows, so that the next one tells what is new. Numbers of transactions are 64 bits wide,
 * hence text.
 */
export interface ChangePosition {
  nextXid: string;
  openXids: string[];
  /** Since when the oldest of them was open. */
  sinceMs: number;
}

export interface ChangedDelivery {
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

export interface ChangedAttempt {
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

/** A delivery that was made, attempted, or ended without an attempt. It is as it is when read. */
export type DeliveryChange =
  | { kind: 'created' | 'closed'; delivery: ChangedDelivery }
  | { kind: 'attempted'; delivery: ChangedDelivery; attempt: ChangedAttempt };

export interface ChangeQuery {
  after: ChangePosition;
  customerIds: readonly string[];
}

export interface DeliveryChanges {
  items: DeliveryChange[];
  /** Too much, or too long ago: `items` is not all of it. */
  gap: boolean;
}

export const DELIVERY_COLUMNS = `id, event_id, endpoint_id, customer_id, type, status, reason, attempts,
  next_attempt_at, last_response_code, created_at, finished_at, test`;

export interface DeliveryRow {
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

export const ATTEMPT_COLUMNS = `delivery_id, number, trigger, status, response_code, latency_ms, error_code, error_message,
  started_at, next_attempt_at, settled_in`;

export interface AttemptRow extends DeliveryRow {
  number: number;
  trigger: AttemptTrigger;
  attempt_status: AttemptStatus;
  response_code: number | null;
  latency_ms: number;
  error_code: string | null;
  error_message: string | null;
  started_at: Date;
  attempt_next_at: Date | null;
}

export function deliveryOf(row: DeliveryRow): ChangedDelivery {
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

export function attemptOf(row: AttemptRow): ChangedAttempt {
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
