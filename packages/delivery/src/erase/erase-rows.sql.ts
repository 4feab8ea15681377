import { idBounds } from '@posthorn/database';
import type pg from 'pg';

import { eraseDeliveryRows } from './erase-delivery-rows.sql.js';
import { eraseOperationalEvents } from './erase-operational-events.sql.js';
import type { ErasedCounts, ErasedKind, Erasure } from './erasure.sql.js';

const BATCH = 1_000;

/** Tables whose rows go in batches, told by their customer. */
const inBatches: readonly [ErasedKind, string][] = [
  ['idempotencyKeys', batch('idempotency_key', 'customer_id, key_hash, day')],
  ['idempotentAnswers', batch('idempotent_answer', 'caller_id, key_hash')],
  // Notes of ends that are not in the statistics yet.
  ['statistics', batch('delivery_end', 'id')],
  [
    'statistics',
    // The spans name the front of its key.
    batch(
      'statistic',
      'span, customer_id, endpoint_id, starts_at, measure, latency',
      "AND span IN ('minute', 'hour', 'day')",
    ),
  ],
  // For those who watch.
  ['notices', batch('delivery_closing', 'id')],
  // Before the notices that are made from it.
  ['notices', batch('exhaustion', 'endpoint_id, reason')],
  ['notices', batch('notice', 'id')],
  ['auditEntries', batch('audit_entry', 'id')],
];

function batch(table: string, key: string, bounds = ''): string {
  return `DELETE FROM ${table} WHERE (${key}) IN (SELECT ${key} FROM ${table} WHERE customer_id = $1 ${bounds} LIMIT ${BATCH})`;
}

/** Everything but the customer's settings, which others look at to see that it is being erased. */
export async function eraseHistory(client: pg.PoolClient, erasure: Erasure): Promise<void> {
  await eraseDeliveries(client, erasure);
  await eraseEvents(client, erasure);
  await eraseReplays(erasure);
  for (const [kind, statement] of inBatches) await eraseBatches(erasure, kind, statement);
  await eraseOperationalEvents(client, erasure);
}

/** The rest in one transaction, with what those who did not look at the tombstone noted meanwhile. */
export function eraseSettings(erasure: Erasure): Promise<ErasedCounts> {
  return erasure.finish(async (client) => {
    const count = async (statement: string) =>
      (await client.query(statement, [erasure.customerId])).rowCount ?? 0;
    const secrets = await count(
      'DELETE FROM endpoint_secret s USING endpoint e WHERE e.id = s.endpoint_id AND e.customer_id = $1',
    );
    const { rows } = await client.query<{ kind: string }>(
      'DELETE FROM endpoint WHERE customer_id = $1 RETURNING kind',
      [erasure.customerId],
    );
    return {
      secrets: secrets + (await count('DELETE FROM one_shot_secret WHERE customer_id = $1')),
      // Not those that Posthorn made for itself and that nobody saw.
      endpoints: rows.filter(({ kind }) => kind === 'registered').length,
      // After the endpoints: who notes something about one has its row locked.
      notices: await count('DELETE FROM notice WHERE customer_id = $1'),
      auditEntries: await count('DELETE FROM audit_entry WHERE customer_id = $1'),
      apiKeys: await count('DELETE FROM api_key WHERE customer_id = $1'),
      portalLinks: await count('DELETE FROM portal_link WHERE customer_id = $1'),
    };
  });
}

async function eraseDeliveries(client: pg.PoolClient, erasure: Erasure): Promise<void> {
  for (;;) {
    const ids = await someOf(client, 'delivery', erasure.customerId);
    if (ids.length === 0) return;
    await erasure.part(() => eraseDeliveryRows(client, ids));
  }
}

/** What is kept beside an event goes with it: by itself it says no more whose it is. */
async function eraseEvents(client: pg.PoolClient, erasure: Erasure): Promise<void> {
  for (;;) {
    const ids = await someOf(client, 'event', erasure.customerId);
    if (ids.length === 0) return;
    const { min, max } = idBounds(ids);
    await erasure.part(async (client) => {
      const counts = [];
      for (const table of ['one_shot', 'event']) {
        const { rowCount } = await client.query(
          `DELETE FROM ${table} WHERE id = ANY ($1::uuid[]) AND id BETWEEN $2 AND $3`,
          [ids, min, max],
        );
        counts.push(rowCount ?? 0);
      }
      const [oneShots = 0, events = 0] = counts;
      return { oneShots, events };
    });
  }
}

async function someOf(
  client: pg.PoolClient,
  table: 'delivery' | 'event',
  customerId: string,
): Promise<string[]> {
  const { rows } = await client.query<{ id: string }>(
    `SELECT id FROM ${table} WHERE customer_id = $1 ORDER BY id LIMIT ${BATCH}`,
    [customerId],
  );
  return rows.map(({ id }) => id);
}

async function eraseBatches(erasure: Erasure, kind: ErasedKind, statement: string): Promise<void> {
  for (;;) {
    const removed = await erasure.part(async (client) => {
      const { rowCount } = await client.query(statement, [erasure.customerId]);
      return { [kind]: rowCount ?? 0 };
    });
    if ((removed[kind] ?? 0) < BATCH) return;
  }
}

async function eraseReplays(erasure: Erasure): Promise<void> {
  await erasure.part(async (client) => {
    // Locked first, as by whoever goes on with one of them.
    await client.query('SELECT FROM replay WHERE customer_id = $1 ORDER BY id FOR UPDATE', [
      erasure.customerId,
    ]);
    for (const table of ['replay_delivery', 'replay_lane']) {
      await client.query(
        `DELETE FROM ${table} t USING replay r WHERE r.id = t.replay_id AND r.customer_id = $1`,
        [erasure.customerId],
      );
    }
    const { rowCount } = await client.query('DELETE FROM replay WHERE customer_id = $1', [
      erasure.customerId,
    ]);
    return { replays: rowCount ?? 0 };
  });
}
