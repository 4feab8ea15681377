import { createUuidV7, deliveryIdOf, encodeId } from '@posthorn/domain';
import { openStream, type OpenStream, waitUntil } from '@posthorn/testing';
import type pg from 'pg';

import type { TestConsole } from '../../test-support/test-console.js';

type Queryable = Pick<pg.ClientBase, 'query'>;

export const streamPath = '/v1/customers/acme/stream';
export const endpointId = createUuidV7(Date.now());

/** Settings under which tests wait for nothing long. */
export const quickly = { everyMs: 20, heartbeatMs: 100, recheckMs: 50 };

/** Two customers, and a key that may read both. */
export async function prepareCustomers(app: TestConsole): Promise<string> {
  await app.clear();
  await app.putCustomer('acme');
  await app.putCustomer('other');
  return app.createKey(['read']);
}

export interface Listening {
  token: string;
  /** Default: that of `acme`. */
  path?: string;
  lastEventId?: string;
}

/** Open, and written where it stands. */
export async function listen(
  app: TestConsole,
  { token, path = streamPath, lastEventId }: Listening,
): Promise<OpenStream> {
  const stream = await openStream(`${app.origin}${path}`, { token, lastEventId });
  if (stream.status !== 200) throw new Error(`The stream was answered ${stream.status}`);
  await waitUntil(() => stream.lastId());
  return stream;
}

/** An event with a delivery. */
export async function create(client: Queryable, customerId = 'acme'): Promise<string> {
  const eventId = createUuidV7(Date.now());
  const id = deliveryIdOf(eventId, endpointId);
  await client.query(
    `WITH made AS (
       INSERT INTO event (id, customer_id, type, occurred_at, accepted_at, body, delivery_count)
       VALUES ($1, $4, 'a.b', now(), now(), '{}', 1)
     )
     INSERT INTO delivery (id, event_id, endpoint_id, customer_id, type, status, next_attempt_at, created_at, expires_at)
     VALUES ($2, $1, $3, $4, 'a.b', 'pending', now(), now(), now() + interval '1 day')`,
    [eventId, id, endpointId, customerId],
  );
  return id;
}

/** The attempt that ends it. */
export async function attempt(client: Queryable, id: string, status: 'delivered' | 'failed'): Promise<void> {
  await client.query(
    `WITH attempted AS (
       INSERT INTO attempt (delivery_id, number, trigger, status, response_code, latency_ms, request_headers, started_at)
       SELECT id, attempts + 1, 'automatic', $2, 200, 5, '{}', now() FROM delivery WHERE id = $1
     )
     UPDATE delivery SET attempts = attempts + 1, status = CASE WHEN $2 = 'delivered' THEN 'delivered' ELSE 'dead_lettered' END,
            reason = CASE WHEN $2 = 'failed' THEN 'exhausted' END, next_attempt_at = NULL, finished_at = now()
      WHERE id = $1`,
    [id, status],
  );
}

/** Its messages in short. */
export function written(stream: OpenStream): string[] {
  return stream.messages.map(({ event, data }) => [event, data['delivery']?.['id']].join(' '));
}

export function say(event: string, id: string): string {
  return `delivery.${event} ${encodeId('dlv', id)}`;
}
