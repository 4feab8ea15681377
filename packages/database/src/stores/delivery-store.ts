import type { DeliveryStatus, WaitingFor } from '@posthorn/domain';
import type { Prisma, PrismaClient } from '../generated/client.js';
import { readBoundedPage } from './bounded-scan.js';
import { idRange, raisedTo } from './id-range.js';
import { cutPage, type Page } from './page.js';

export interface Delivery extends Omit<Prisma.DeliveryModel, 'status' | 'waitingFor'> {
  status: DeliveryStatus;
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

export function createDeliveryStore({ prisma }: { prisma: PrismaClient }): DeliveryStore {
  return {
    async get(id) {
      const row = await prisma.delivery.findUnique({ where: { id } });
      return row && deliveryOf(row);
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
        return cutPage(await findMany(null, limit + 1), limit, deliveryOf, ({ id }) => id);
      }
      return readBoundedPage({
        limit,
        findFloor: (skip) =>
          prisma.delivery.findFirst({
            where: { customerId, id: range },
            select: { id: true },
            orderBy: { id: 'desc' },
            skip,
          }),
        findMatches: findMany,
        itemOf: deliveryOf,
      });
    },
  };
}

/** An event's deliveries are few; an endpoint's by status have an index of their own, which leaves out delivered ones. */
function isIndexed({ endpointId, eventId, type, status }: ListDeliveriesQuery): boolean {
  if (eventId !== undefined) return true;
  if (type !== undefined) return false;
  if (endpointId === undefined) return status === undefined;
  return status !== undefined && status !== 'delivered';
}

/** The schema's checks keep the columns to these words. */
function deliveryOf(row: Prisma.DeliveryModel): Delivery {
  return { ...row, status: row.status as DeliveryStatus, waitingFor: row.waitingFor as WaitingFor | null };
}
