import type { PrismaClient } from '@posthorn/database';

import { idRange } from './id-range.js';

export interface LedgerQuery {
  customerId?: string;
  /** Give the customer along: the index over a customer's time serves both. */
  endpointId?: string;
  /** Bounds on the time of the event's acceptance, which is in the ids: inclusive, exclusive. */
  sinceMs?: number;
  untilMs?: number;
}

/**
 * `accepted` and the rest are counted from different tables: that they balance is a finding, not a definition. Tests of
 * endpoints are in none of them.
 */
export interface Ledger {
  /**
   * Deliveries that were promised: the fan-out counts stored with the events, and what replays added to them. Of one
   * endpoint: its deliveries, because events count without saying to whom.
   */
  accepted: number;
  delivered: number;
  pending: number;
  held: number;
  deadLettered: number;
  cancelled: number;
  /** Events without any delivery; null for one endpoint. */
  unmatchedEvents: number | null;
}

export interface LedgerStore {
  /** One statement, hence one snapshot: it balances at any time, whatever is going on. */
  read(query: LedgerQuery): Promise<Ledger>;
}

const FIRST = '00000000-0000-0000-0000-000000000000';
const LAST = 'ffffffff-ffff-ffff-ffff-ffffffffffff';

export function createLedgerStore({ prisma }: { prisma: PrismaClient }): LedgerStore {
  return {
    async read(query) {
      const { gte = FIRST, lt = LAST } = idRange({
        before: null,
        sinceMs: query.sinceMs,
        untilMs: query.untilMs,
      });
      const customerId = query.customerId ?? null;
      const endpointId = query.endpointId ?? null;
      const [row] = await prisma.$queryRaw<Row[]>`
        SELECT d.*, e.*
          FROM (SELECT count(*) AS "rows",
                       count(*) FILTER (WHERE status = 'delivered') AS delivered,
                       count(*) FILTER (WHERE status = 'pending') AS pending,
                       count(*) FILTER (WHERE status = 'held') AS held,
                       count(*) FILTER (WHERE status = 'dead_lettered') AS "deadLettered",
                       count(*) FILTER (WHERE status = 'cancelled') AS cancelled
                  FROM delivery
                 WHERE NOT test AND id >= ${gte}::uuid AND id < ${lt}::uuid
                   AND (${customerId}::text IS NULL OR customer_id = ${customerId})
                   AND (${endpointId}::uuid IS NULL OR endpoint_id = ${endpointId}::uuid)) d,
               (SELECT COALESCE(sum(delivery_count + added_deliveries), 0)::bigint AS promised,
                       count(*) FILTER (WHERE delivery_count + added_deliveries = 0) AS unmatched
                  FROM event
                 WHERE NOT test AND ${endpointId}::uuid IS NULL AND id >= ${gte}::uuid AND id < ${lt}::uuid
                   AND (${customerId}::text IS NULL OR customer_id = ${customerId})) e`;
      if (!row) throw new Error('An aggregate answers with a row');
      return {
        accepted: Number(endpointId === null ? row.promised : row.rows),
        delivered: Number(row.delivered),
        pending: Number(row.pending),
        held: Number(row.held),
        deadLettered: Number(row.deadLettered),
        cancelled: Number(row.cancelled),
        unmatchedEvents: endpointId === null ? Number(row.unmatched) : null,
      };
    },
  };
}

type Row = Record<
  'rows' | 'delivered' | 'pending' | 'held' | 'deadLettered' | 'cancelled' | 'promised' | 'unmatched',
  bigint
>;
