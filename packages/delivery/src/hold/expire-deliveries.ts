import type { DatabasePool } from '@posthorn/database';

import { expireHeldDeliveries, findExpiredHeld } from './expire-held-deliveries.sql.js';
import {
  expireParkedDeliveries,
  findExpiredParked,
  type ParkedCursor,
} from './expire-parked-deliveries.sql.js';

const HELD_BATCH = 1_000;
const PARKED_BATCH = 500;
const BEFORE_ALL: ParkedCursor = { dueAt: new Date(0), id: '00000000-0000-0000-0000-000000000000' };

/**
 * One pass: held deliveries whose time is over become dead letters, so nothing is held past its partition. Several
 * processes may run it at once. Returns how many.
 */
export async function expireHeld(pool: DatabasePool): Promise<number> {
  for (let expired = 0; ;) {
    const ids = await findExpiredHeld(pool, HELD_BATCH);
    expired += await expireHeldDeliveries(pool, ids);
    if (ids.length < HELD_BATCH) return expired;
  }
}

/**
 * One pass: ends pending deliveries whose time was over `graceMs` ago and that nobody came to attempt: their lane was
 * parked by a breaker or a pace. An attempt that does come ends its delivery by itself. Several processes may run it at
 * once. Returns how many.
 */
export async function expireParked(
  pool: DatabasePool,
  { nowMs, graceMs }: { nowMs: number; graceMs: number },
): Promise<number> {
  const expiredAt = new Date(nowMs - graceMs);
  let after = BEFORE_ALL;
  for (let expired = 0; ;) {
    const parked = await findExpiredParked(pool, { after, expiredAt, limit: PARKED_BATCH });
    const ids = parked.map(({ id }) => id);
    expired += await expireParkedDeliveries(pool, ids, expiredAt);
    if (parked.length < PARKED_BATCH) return expired;
    after = parked.at(-1) ?? after;
  }
}
