import { createStatement } from '@posthorn/database';
import type pg from 'pg';

export interface TestToInsert {
  eventId: string;
  deliveryId: string;
  endpointId: string;
  type: string;
  acceptedAtMs: number;
  expiresAtMs: number;
  /** The envelope as it is signed and sent. */
  body: string;
}

/**
 * Commits an event that tests an endpoint, with its delivery, due at once whether the endpoint takes others or not. False
 * when the endpoint is not there (any more).
 */
export async function insertTest(pool: pg.Pool, test: TestToInsert): Promise<boolean> {
  const { rowCount } = await pool.query(INSERT_TEST(test));
  return rowCount === 1;
}

const INSERT_TEST = createStatement<TestToInsert>({
  text: `
    WITH target AS (
      SELECT e.customer_id FROM endpoint e JOIN customer c ON c.id = e.customer_id AND c.erased_at IS NULL
       WHERE e.id = :endpointId AND e.kind = 'registered' AND e.deleted_at IS NULL
         FOR SHARE OF e
    ), event AS (
      INSERT INTO event (id, customer_id, type, occurred_at, accepted_at, body, delivery_count, test)
      SELECT :eventId, customer_id, :type, to_timestamp(:acceptedAtMs::bigint / 1000.0),
             to_timestamp(:acceptedAtMs::bigint / 1000.0), :body, 1, true
        FROM target
    )
    INSERT INTO delivery (id, event_id, endpoint_id, customer_id, type, status, next_attempt_at, created_at, expires_at, test)
    SELECT :deliveryId, :eventId, :endpointId, customer_id, :type, 'pending', to_timestamp(:acceptedAtMs::bigint / 1000.0),
           to_timestamp(:acceptedAtMs::bigint / 1000.0), to_timestamp(:expiresAtMs::bigint / 1000.0), true
      FROM target`,
});
