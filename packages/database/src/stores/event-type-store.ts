import { Prisma, type PrismaClient } from '../generated/client.js';
import { cutPage, type Page } from './page.js';

export interface EventTypeSettings {
  description: string | null;
  /** A JSON Schema; null: events of the type are not checked. */
  schema: unknown;
  /** An example of `data`; null: none. */
  example: unknown;
  /** Offered to nobody any more; its events are taken and checked all the same. */
  archived: boolean;
}

export interface EventType extends Omit<EventTypeSettings, 'archived'> {
  name: string;
  archivedAt: Date | null;
  createdAt: Date;
  updatedAt: Date;
}

export interface EventTypePosition {
  createdAt: Date;
  /** The name. */
  id: string;
}

export interface EventTypeStore {
  /** Creates the entry, or replaces all of it. */
  put(name: string, settings: EventTypeSettings): Promise<{ created: boolean; eventType: EventType }>;
  get(name: string): Promise<EventType | null>;
  /** Newest first; entries of the same millisecond are ordered by name. */
  list(query: {
    limit: number;
    before: EventTypePosition | null;
    /** Only those that are archived, or that are not; null: all. */
    archived: boolean | null;
  }): Promise<Page<EventType, EventTypePosition>>;
  /** False when there is none. What was sent or filtered by the type stays as it is. */
  delete(name: string): Promise<boolean>;
  /** The schema of every type that has one, or of one type. */
  readSchemas(name?: string): Promise<Map<string, unknown>>;
}

export function createEventTypeStore({ prisma }: { prisma: PrismaClient }): EventTypeStore {
  return {
    async put(name, { description, schema, example, archived }) {
      const rows = await prisma.$queryRaw<(EventType & { created: boolean })[]>`
        WITH deleted AS (SELECT FROM event_type WHERE id = ${name} AND deleted_at IS NOT NULL)
        INSERT INTO event_type AS e (id, description, schema, example, archived_at)
        VALUES (${name}, ${description}, ${jsonOf(schema)}::json, ${jsonOf(example)}::json,
                CASE WHEN ${archived} THEN now() END)
        ON CONFLICT (id) DO UPDATE SET description = excluded.description, schema = excluded.schema,
          example = excluded.example, deleted_at = NULL,
          archived_at = CASE WHEN ${archived} THEN COALESCE(e.archived_at, now()) END,
          created_at = CASE WHEN e.deleted_at IS NULL THEN e.created_at ELSE now() END,
          updated_at = CASE WHEN (e.description, e.schema::text, e.example::text, e.archived_at IS NOT NULL)
                              IS DISTINCT FROM (excluded.description, excluded.schema::text, excluded.example::text, ${archived})
                              OR e.deleted_at IS NOT NULL
                            THEN now() ELSE e.updated_at END
        RETURNING ${columns}, (xmax = 0 OR EXISTS (SELECT FROM deleted)) AS created`;
      const [row] = rows;
      if (row === undefined) throw new Error('An upsert gave no row');
      const { created, ...eventType } = row;
      return { created, eventType };
    },

    async get(name) {
      const rows = await prisma.$queryRaw<EventType[]>`
        SELECT ${columns} FROM event_type WHERE id = ${name} AND deleted_at IS NULL`;
      return rows[0] ?? null;
    },

    async list({ limit, before, archived }) {
      const further = before
        ? Prisma.sql`AND (created_at, id) < (${before.createdAt}::timestamptz, ${before.id})`
        : Prisma.empty;
      const rows = await prisma.$queryRaw<EventType[]>`
        SELECT ${columns} FROM event_type
         WHERE deleted_at IS NULL AND (${archived}::boolean IS NULL OR (archived_at IS NOT NULL) = ${archived}::boolean) ${further}
         ORDER BY created_at DESC, id DESC LIMIT ${limit + 1}`;
      return cutPage(
        rows,
        limit,
        (row) => row,
        ({ createdAt, name }) => ({ createdAt, id: name }),
      );
    },

    async delete(name) {
      const deleted = await prisma.$executeRaw`
        UPDATE event_type SET deleted_at = now(), updated_at = now(), description = NULL, schema = NULL, example = NULL,
               archived_at = NULL
         WHERE id = ${name} AND deleted_at IS NULL`;
      return deleted > 0;
    },

    async readSchemas(name) {
      const one = name === undefined ? Prisma.empty : Prisma.sql`AND id = ${name}`;
      const rows = await prisma.$queryRaw<{ name: string; schema: unknown }[]>`
        SELECT id AS name, schema FROM event_type WHERE schema IS NOT NULL ${one}`;
      return new Map(rows.map((row) => [row.name, row.schema]));
    },
  };
}

const columns = Prisma.sql`id AS name, description, schema, example, created_at AS "createdAt", updated_at AS "updatedAt",
  archived_at AS "archivedAt"`;

function jsonOf(value: unknown): string | null {
  return value === null || value === undefined ? null : JSON.stringify(value);
}
