import { type Prisma, type PrismaClient, cutPage, type Page } from '@posthorn/database';
import type { DeliveryStatus, WaitingFor } from '@posthorn/domain';
import type { Clock } from '@posthorn/runtime';

import { readBoundedPage } from './bounded-scan.js';
import { readWaitingFor } from './endpoint-holds.sql.js';
import { idRange, raisedTo } from './id-range.js';

export interface Delivery extends Omit<Prisma.DeliveryModel, 'status' | 'waitingFor'> {
  status: DeliveryStatus;
  /** As it is now: found out when read, by the times and the endpoint's state. */
  waitingFor: WaitingFor | null;
}

export interface ListDeliveriesQuery {
  limit: number;
  before: string | null;
  customerId?: string;
  /** Give the customer along: the index over a customer's time serves both. */
  endpointId?: string;
  eventId?: string;
  type?: string;
  status?: DeliveryStatus;
  /** Bounds on the time of the event's acceptance, which is in the id. */
  sinceMs?: number;
  untilMs?: number;
}

export interface DeliveryStore {
  get(id: string): Promise<Delivery | null>;
  /** Newest event first. With a filter that no index serves a page can be short and still have a next one. */
  list(query: ListDeliveriesQuery): Promise<Page<Delivery>>;
}

export function createDeliveryStore({
  prisma,
  clock,
}: {
  prisma: PrismaClient;
  clock: Clock;
}): DeliveryStore {
  async function described(rows: Prisma.DeliveryModel[]): Promise<Delivery[]> {
    const waitingFor = await readWaitingFor(prisma, rows, clock.nowMs());
    return rows.map((row, i) => deliveryOf(row, waitingFor[i] ?? null));
  }

  return {
    async get(id) {
      const row = await prisma.delivery.findUnique({ where: { id } });
      if (!row) return null;
      const [delivery] = await described([row]);
      return delivery ?? null;
    },

    async list(query) {
      const { limit, before, customerId, endpointId, eventId, type, status, sinceMs, untilMs } = query;
      const range = idRange({ before, sinceMs, untilMs, eventId });
      const findMany = (floor: string | null, take: number) =>
        prisma.delivery.findMany({
          where: { customerId, endpointId, eventId, type, status, id: raisedTo(range, floor) },
          orderBy: { id: 'desc' },
          take,
        });
      if (isIndexed(query)) {
        const page = cutPage(
          await findMany(null, limit + 1),
          limit,
          (row) => row,
          ({ id }) => id,
        );
        return { ...page, items: await described(page.items) };
      }
      const page = await readBoundedPage({
        limit,
        findFloor: (skip) =>
          prisma.delivery.findFirst({
            where: { customerId, id: range },
            select: { id: true },
            orderBy: { id: 'desc' },
            skip,
          }),
        findMatches: findMany,
        itemOf: (row) => row,
      });
      return { ...page, items: await described(page.items) };
    },
  };
}

/**
 * An event's deliveries are few. By status there are indexes of what is held or has ended undelivered, of a customer and of
 * all, and of everything that an endpoint has not delivered.
 */
function isIndexed({ endpointId, eventId, type, status }: ListDeliveriesQuery): boolean {
  if (eventId !== undefined) return true;
  if (type !== undefined || status === 'delivered') return false;
  if (status === undefined) return endpointId === undefined;
  return endpointId !== undefined || status !== 'pending';
}

/** The schema's checks keep the column to these words. */
function deliveryOf(row: Prisma.DeliveryModel, waitingFor: WaitingFor | null): Delivery {
  return { ...row, status: row.status as DeliveryStatus, waitingFor };
}
