import { inTransaction, addMissingSecrets } from '@posthorn/database';
import { createUuidV7, laneOf, type OneShotLane, oneShotType, serves } from '@posthorn/domain';
import type { Clock, SecretBox } from '@posthorn/runtime';
import type pg from 'pg';

export interface WantedLane {
  customerId: string;
  origin: string;
}

export interface OneShotLanes {
  /**
   * All lanes of the customers asked for, by id, after each of the origins has one that serves it. Customers that are not
   * there are left out. One transaction however many are missing: they are made for many one-shots at once.
   */
  ensureLanes(wanted: readonly WantedLane[]): Promise<Map<string, OneShotLane[]>>;
}

export interface OneShotLanesDeps {
  pool: pg.Pool;
  secretBox: SecretBox;
  clock: Clock;
}

/**
 * A lane is a row of the endpoint table that nobody registered, with its origin as the URL, so that everything that is kept
 * per endpoint (queue, breaker, deliveries, ledger) is there for one-shots, too.
 */
export function createOneShotLanes({ pool, secretBox, clock }: OneShotLanesDeps): OneShotLanes {
  return {
    async ensureLanes(wanted) {
      const customerIds = [...new Set(wanted.map(({ customerId }) => customerId))];
      const known = await readLanes(pool, customerIds);
      if (wanted.every((lane) => isServed(known, lane))) return known;
      return inTransaction(pool, async (client) => {
        const present = await lockCustomers(client, customerIds);
        const lanes = await readLanes(client, present);
        const nowMs = clock.nowMs();
        const changes = changesFor(lanes, wanted, nowMs);
        await insertLanes(client, changes.made);
        await shareLanes(client, changes.shared, nowMs);
        await addMissingSecrets(client, present, secretBox, nowMs);
        return lanes;
      });
    },
  };
}

function isServed(known: ReadonlyMap<string, OneShotLane[]>, { customerId, origin }: WantedLane): boolean {
  const lane = laneOf(known.get(customerId) ?? [], origin);
  return lane !== undefined && serves(lane, origin);
}

async function readLanes(
  client: pg.Pool | pg.PoolClient,
  customerIds: readonly string[],
): Promise<Map<string, OneShotLane[]>> {
  const { rows } = await client.query<OneShotLane & { customerId: string }>({
    name: 'read_lanes',
    text: `SELECT customer_id AS "customerId", id, url AS origin, shared FROM endpoint
            WHERE kind = 'one_shot' AND customer_id = ANY ($1) ORDER BY id`,
    values: [customerIds],
  });
  const lanes = new Map<string, OneShotLane[]>(customerIds.map((id) => [id, []]));
  for (const { customerId, ...lane } of rows) lanes.get(customerId)?.push(lane);
  return lanes;
}

/** Those that are there. Whoever makes lanes of theirs at the same time waits here, and then sees ours. */
async function lockCustomers(client: pg.PoolClient, customerIds: readonly string[]): Promise<string[]> {
  const { rows } = await client.query<{ id: string }>(
    'SELECT id FROM customer WHERE id = ANY ($1) AND erased_at IS NULL ORDER BY id FOR NO KEY UPDATE',
    [customerIds],
  );
  return rows.map(({ id }) => id);
}

interface NewLane extends WantedLane {
  id: string;
}

/** What is missing, added to `lanes` as it will be. */
function changesFor(
  lanes: Map<string, OneShotLane[]>,
  wanted: readonly WantedLane[],
  nowMs: number,
): { made: NewLane[]; shared: string[] } {
  const made: NewLane[] = [];
  const shared: string[] = [];
  for (const { customerId, origin } of wanted) {
    const own = lanes.get(customerId);
    if (!own) continue;
    const lane = laneOf(own, origin);
    if (!lane) {
      const id = createUuidV7(nowMs);
      made.push({ id, customerId, origin });
      own.push({ id, origin, shared: false });
    } else if (!serves(lane, origin)) {
      shared.push(lane.id);
      own[own.indexOf(lane)] = { ...lane, shared: true };
    }
  }
  return { made, shared };
}

async function insertLanes(client: pg.PoolClient, made: readonly NewLane[]): Promise<void> {
  if (made.length === 0) return;
  await client.query(
    `INSERT INTO endpoint (id, customer_id, url, kind, event_types)
     SELECT id, customer_id, origin, 'one_shot', ARRAY[$4]
       FROM unnest($1::uuid[], $2::text[], $3::text[]) AS t (id, customer_id, origin)`,
    [
      made.map(({ id }) => id),
      made.map(({ customerId }) => customerId),
      made.map(({ origin }) => origin),
      oneShotType,
    ],
  );
}

/** What was known of the one origin says nothing about the several. */
async function shareLanes(client: pg.PoolClient, laneIds: readonly string[], nowMs: number): Promise<void> {
  if (laneIds.length === 0) return;
  await client.query(
    'UPDATE endpoint SET shared = true, health_epoch = health_epoch + 1, updated_at = $2 WHERE id = ANY ($1::uuid[])',
    [laneIds, new Date(nowMs)],
  );
}
