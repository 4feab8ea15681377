import type { PrismaClient } from '@posthorn/database';
import { type DeliveryStatus, firstUuidAt, lastUuidAt, uuidTimeMs } from '@posthorn/domain';

export interface OneShotStatus {
  deliveryId: string;
  customerId: string;
  url: string;
  status: DeliveryStatus;
  /** Why it ended, or is held. */
  reason: string | null;
  attempts: number;
  lastAttemptAt: Date | null;
  nextAttemptAt: Date | null;
  /** Also of one that was delivered and is being replayed. */
  deliveredAt: Date | null;
  /** Of the last attempt, if it failed. */
  lastError: { code: string; message: string } | null;
}

/** One look-up in each table: an event and its delivery share their millisecond, so their partition. */
export async function readOneShotStatus(
  prisma: PrismaClient,
  deliveryId: string,
): Promise<OneShotStatus | null> {
  const ms = uuidTimeMs(deliveryId);
  const [row] = await prisma.$queryRaw<Row[]>`
    SELECT d.customer_id AS "customerId", o.url, d.status, d.reason, d.attempts, d.last_attempt_at AS "lastAttemptAt",
           d.next_attempt_at AS "nextAttemptAt",
           COALESCE(d.delivered_at, CASE WHEN d.status = 'delivered' THEN d.finished_at END) AS "deliveredAt",
           a.error_code AS "errorCode", a.error_message AS "errorMessage"
      FROM delivery d
      JOIN customer c ON c.id = d.customer_id AND c.erased_at IS NULL
     CROSS JOIN LATERAL (
            SELECT url FROM one_shot
             WHERE id = d.event_id AND id BETWEEN ${firstUuidAt(ms)}::uuid AND ${lastUuidAt(ms)}::uuid OFFSET 0) o
      LEFT JOIN attempt a ON a.delivery_id = ${deliveryId}::uuid AND a.number = d.attempts
     WHERE d.id = ${deliveryId}::uuid`;
  if (!row) return null;
  const { errorCode, errorMessage, ...facts } = row;
  const lastError = errorCode === null ? null : { code: errorCode, message: errorMessage ?? '' };
  return { deliveryId, ...facts, lastError };
}

interface Row extends Omit<OneShotStatus, 'deliveryId' | 'lastError'> {
  errorCode: string | null;
  errorMessage: string | null;
}
