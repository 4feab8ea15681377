import { Prisma, type PrismaClient } from '../generated/client.js';
import { cutPage, type Page } from './page.js';

export interface EventTypeSettings {
  description: string | null;
  /** A JSON Schema; null: events of the type are not checked. */
  schema: unknown;
  /** An example of `data`; null: none. */
  example: unknown;
}

export interface EventType extends EventTypeSettings {
  name: string;
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
  }): Promise<Page<EventType, EventTypePosition>>;
  /** The schema of every type that has one, or of one type. */
  readSchemas(name?: string): Promise<Map<string, unknown>>;
}

export function createEventTypeStore({ prisma }: { prisma: PrismaClient }): EventTypeStore {
  return {
    async put(name, { description, schema, example }) {
      const rows = await prisma.$queryRaw<(EventType & { created: boolean })[]>`
        INSERT INTO event_type (id, description, schema, example)
        VALUES (${name}, ${description}, ${jsonOf(schema)}::json, ${jsonOf(example)}::json)
        ON CONFLICT (id) DO UPDATE SET description = excluded.description, schema = excluded.schema,
          example = excluded.example,
          updated_at = CASE WHEN (event_type.description, event_type.schema::text, event_type.example::text)
                              IS DISTINCT FROM (excluded.description, excluded.schema::text, excluded.example::text)
                            THEN now() ELSE event_type.updated_at END
        RETURNING ${columns}, (xmax = 0) AS created`;
      const [row] = rows;
      if (row === undefined) throw new Error('An upsert gave no row');
      const { created, ...eventType } = row;
      return { created, eventType };
    },

    async get(name) {
      const rows = await prisma.$queryRaw<EventType[]>`SELECT ${columns} FROM event_type WHERE id = ${name}`;
      return rows[0] ?? null;
    },

    async list({ limit, before }) {
      const further = before
        ? Prisma.sql`WHERE (created_at, id) < (${before.createdAt}::timestamptz, ${before.id})`
        : Prisma.empty;
      const rows = await prisma.$queryRaw<EventType[]>`
        SELECT ${columns} FROM event_type ${further} ORDER BY created_at DESC, id DESC LIMIT ${limit + 1}`;
      return cutPage(
        rows,
        limit,
        (row) => row,
        ({ createdAt, name }) => ({ createdAt, id: name }),
      );
    },

    async readSchemas(name) {
      const one = name === undefined ? Prisma.empty : Prisma.sql`AND id = ${name}`;
      const rows = await prisma.$queryRaw<{ name: string; schema: unknown }[]>`
        SELECT id AS name, schema FROM event_type WHERE schema IS NOT NULL ${one}`;
      return new Map(rows.map((row) => [row.name, row.schema]));
    },
  };
}

const columns = Prisma.sql`id AS name, description, schema, example, created_at AS "createdAt", updated_at AS "updatedAt"`;

function jsonOf(value: unknown): string | null {
  return value === null || value === undefined ? null : JSON.stringify(value);
}
