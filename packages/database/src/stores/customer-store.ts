import type { Transaction } from '../database.js';
import { Prisma, type PrismaClient } from '../generated/client.js';
import { cutPage, type Page } from './page.js';
import { rateLimitOf, type RateLimit } from './rate-limit.js';

export interface CustomerSettings {
  name: string | null;
  metadata: Record<string, unknown> | null;
  notificationUrl: string | null;
  maxInFlight: number | null;
  rateLimit: RateLimit | null;
  maxEndpoints: number | null;
}

export interface Customer extends CustomerSettings {
  id: string;
  createdAt: Date;
  /** When its own settings changed last; not with its endpoints. */
  updatedAt: Date;
}

export interface CustomerPosition {
  createdAt: Date;
  id: string;
}

export type PutCustomerOutcome = { kind: 'created' | 'updated'; customer: Customer } | { kind: 'erased' };

export interface CustomerStore {
  /**
   * Creates the customer, or replaces all its settings, in the transaction given or by itself. The id of an erased customer
   * is refused. See `keepNotificationEndpoint` for what belongs to a notificationUrl.
   */
  put(id: string, settings: CustomerSettings, tx?: Transaction): Promise<PutCustomerOutcome>;
  get(id: string): Promise<Customer | null>;
  /** Newest first; customers made in the same millisecond are ordered by id. */
  list(query: { limit: number; before: CustomerPosition | null }): Promise<Page<Customer, CustomerPosition>>;
}

/** An erased customer is not there, from the moment its tombstone is set. */
export function createCustomerStore({ prisma }: { prisma: PrismaClient }): CustomerStore {
  return {
    put: (id, settings, tx) => put(tx ?? prisma, id, settings),

    async get(id) {
      const rows = await prisma.$queryRaw<CustomerRow[]>`
        SELECT ${columns} FROM customer WHERE id = ${id} AND erased_at IS NULL`;
      return rows[0] === undefined ? null : customerOf(rows[0]);
    },

    async list({ limit, before }) {
      const further = before
        ? Prisma.sql`AND (created_at, id) < (${before.createdAt}::timestamptz, ${before.id})`
        : Prisma.empty;
      const rows = await prisma.$queryRaw<CustomerRow[]>`
        SELECT ${columns} FROM customer WHERE erased_at IS NULL ${further}
        ORDER BY created_at DESC, id DESC LIMIT ${limit + 1}`;
      return cutPage(rows, limit, customerOf, ({ id, createdAt }) => ({ id, createdAt }));
    },
  };
}

interface CustomerRow {
  id: string;
  name: string | null;
  metadata: Record<string, unknown> | null;
  notificationUrl: string | null;
  maxInFlight: number | null;
  rateLimitMax: number | null;
  rateLimitPerSeconds: number | null;
  maxEndpoints: number | null;
  createdAt: Date;
  updatedAt: Date;
}

const columns = Prisma.sql`id, name, metadata, notification_url AS "notificationUrl", max_in_flight AS "maxInFlight",
  rate_limit_max AS "rateLimitMax", rate_limit_per_seconds AS "rateLimitPerSeconds", max_endpoints AS "maxEndpoints",
  created_at AS "createdAt", settings_updated_at AS "updatedAt"`;

/** One statement, so that two writers of a new id cannot both create it. xmax is 0 for a row that was inserted. */
async function put(
  client: Transaction,
  id: string,
  { name, metadata, notificationUrl, maxInFlight, rateLimit, maxEndpoints }: CustomerSettings,
): Promise<PutCustomerOutcome> {
  const rows = await client.$queryRaw<(CustomerRow & { created: boolean })[]>`
    INSERT INTO customer (id, name, metadata, notification_url, max_in_flight, rate_limit_max, rate_limit_per_seconds, max_endpoints)
    VALUES (${id}, ${name}, ${metadata === null ? null : JSON.stringify(metadata)}::jsonb, ${notificationUrl},
            ${maxInFlight}::int, ${rateLimit?.max ?? null}::int, ${rateLimit?.perSeconds ?? null}::int, ${maxEndpoints}::int)
    ON CONFLICT (id) DO UPDATE SET
      name = excluded.name, metadata = excluded.metadata, notification_url = excluded.notification_url,
      max_in_flight = excluded.max_in_flight, rate_limit_max = excluded.rate_limit_max,
      rate_limit_per_seconds = excluded.rate_limit_per_seconds, max_endpoints = excluded.max_endpoints, updated_at = now()
    WHERE customer.erased_at IS NULL
    RETURNING ${columns}, (xmax = 0) AS created`;
  const row = rows[0];
  if (row === undefined) return { kind: 'erased' };
  return { kind: row.created ? 'created' : 'updated', customer: customerOf(row) };
}

function customerOf(row: CustomerRow): Customer {
  return {
    id: row.id,
    name: row.name,
    metadata: row.metadata,
    notificationUrl: row.notificationUrl,
    maxInFlight: row.maxInFlight,
    rateLimit: rateLimitOf(row),
    maxEndpoints: row.maxEndpoints,
    createdAt: row.createdAt,
    updatedAt: row.updatedAt,
  };
}
