import { type Prisma, type PrismaClient, cutPage, type Page } from '@posthorn/database';

import { readBoundedPage } from './bounded-scan.js';
import { idRange, raisedTo } from './id-range.js';

export interface EventSummary {
  id: string;
  customerId: string;
  type: string;
  externalId: string | null;
  occurredAt: Date;
  acceptedAt: Date;
  deliveryCount: number;
  test: boolean;
}

export interface Event extends EventSummary {
  /** The envelope as signed and sent. */
  body: string;
}

export interface ListEventsQuery {
  limit: number;
  before: string | null;
  customerId?: string;
  type?: string;
  /** Bounds on the time of acceptance, which is the id's. */
  sinceMs?: number;
  untilMs?: number;
}

export interface EventStore {
  get(id: string): Promise<Event | null>;
  /** Whose it is, without its payload. */
  customerOf(id: string): Promise<string | null>;
  /** Newest first. With a type a page looks at a bounded number of rows: it can be short and still have a next one. */
  list(query: ListEventsQuery): Promise<Page<EventSummary>>;
}

export function createEventStore({ prisma }: { prisma: PrismaClient }): EventStore {
  return {
    get: (id) => prisma.event.findUnique({ where: { id } }),

    async customerOf(id) {
      const row = await prisma.event.findUnique({ where: { id }, select: { customerId: true } });
      return row?.customerId ?? null;
    },

    async list({ limit, before, customerId, type, sinceMs, untilMs }) {
      const range = idRange({ before, sinceMs, untilMs });
      const findMany = (where: Prisma.EventWhereInput, take: number) =>
        prisma.event.findMany({
          where: { customerId, ...where },
          omit: { body: true },
          orderBy: { id: 'desc' },
          take,
        });
      if (type === undefined) {
        const rows = await findMany({ id: range }, limit + 1);
        return cutPage(rows, limit, same, ({ id }) => id);
      }
      return readBoundedPage({
        limit,
        findFloor: (skip) =>
          prisma.event.findFirst({
            where: { customerId, id: range },
            select: { id: true },
            orderBy: { id: 'desc' },
            skip,
          }),
        findMatches: (floor, take) => findMany({ type, id: raisedTo(range, floor) }, take),
        itemOf: same,
      });
    },
  };
}

const same = (event: EventSummary): EventSummary => event;
