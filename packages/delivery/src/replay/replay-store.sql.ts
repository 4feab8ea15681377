import { inTransaction, Prisma, type PrismaClient, cutPage, type Page } from '@posthorn/database';
import { createUuidV7, type ReplayState } from '@posthorn/domain';
import type { Clock } from '@posthorn/runtime';
import type pg from 'pg';

import { collectReplayEnds, REPLAYED_OUTCOME } from './collect-replay-ends.sql.js';
import type { ReplayFilter } from './find-deliveries-to-replay.sql.js';
import { NOTE_REPLAY_FINISHED } from './note-replay-finished.sql.js';
import { countReplayMatches, type ReplayMatches } from './replay-matches.sql.js';

/** Deliveries that one count reads at most, by default. */
const READ_MAX = 1_000_000;
const BEFORE_ALL = '00000000-0000-0000-0000-000000000000';

export interface Replay extends ReplayFilter {
  id: string;
  state: ReplayState;
  matched: number;
  /** Delivered by the replay, and ended otherwise: of the moment it was read. */
  done: number;
  failed: number;
  createdAt: Date;
  /** When it was completed or cancelled. */
  finishedAt: Date | null;
}

export type CreateReplayOutcome =
  | { kind: 'created'; replay: Replay }
  /** The customer has one that is running or paused. */
  | { kind: 'in_progress' }
  /** More deliveries to read than one count may. */
  | { kind: 'too_many' }
  | { kind: 'unknown_customer' };

/** `refused`: its state does not allow the change. */
export type ReplayStateOutcome =
  { kind: 'done' } | { kind: 'refused'; state: ReplayState } | { kind: 'not_found' };

export interface ReplayStore {
  /** What a replay made now would cover. */
  count(filter: ReplayFilter): Promise<ReplayMatches>;
  /** Fixes what is covered, in the transaction given; a worker begins once that is committed. */
  create(tx: Prisma.TransactionClient, filter: ReplayFilter): Promise<CreateReplayOutcome>;
  /** Null also for a replay of an erased customer. */
  get(id: string): Promise<Replay | null>;
  /** Newest first. */
  list(query: {
    customerId: string | null;
    state: ReplayState | null;
    limit: number;
    before: string | null;
  }): Promise<Page<Replay>>;
  /** Opens nothing more until it is resumed; what was opened goes on. */
  pause(id: string): Promise<ReplayStateOutcome>;
  resume(id: string): Promise<ReplayStateOutcome>;
  /** Opens nothing more, for good; what was opened goes on and is no longer counted. */
  cancel(id: string): Promise<ReplayStateOutcome>;
}

export interface ReplayStoreDeps {
  pool: pg.Pool;
  prisma: PrismaClient;
  clock: Clock;
  /** No delivery is tried or held longer than this after its event. */
  holdLimitMs: number;
  readMax?: number;
}

export function createReplayStore(deps: ReplayStoreDeps): ReplayStore {
  const { pool, prisma, clock, holdLimitMs, readMax = READ_MAX } = deps;
  return {
    count: (filter) =>
      countReplayMatches(prisma, filter, { createdAt: new Date(clock.nowMs()), holdLimitMs, readMax }),

    async create(tx, filter) {
      const id = createUuidV7(clock.nowMs());
      const createdAt = await insert(tx, id, filter);
      if (!(createdAt instanceof Date)) return createdAt;
      const matches = await countReplayMatches(tx, filter, { createdAt, holdLimitMs, readMax });
      if (matches.more) {
        await tx.replay.delete({ where: { id } });
        return { kind: 'too_many' };
      }
      await insertLanes(tx, id, matches);
      const { matched } = matches;
      const counts = { state: 'running', matched, done: 0, failed: 0 } as const;
      return { kind: 'created', replay: { ...filter, id, ...counts, createdAt, finishedAt: null } };
    },

    async get(id) {
      const [row] = await prisma.$queryRaw<Replay[]>`${selection} WHERE r.id = ${id}::uuid`;
      return row ?? null;
    },

    async list({ customerId, state, limit, before }) {
      const rows = await prisma.$queryRaw<Replay[]>`${selection}
        WHERE (${customerId}::text IS NULL OR r.customer_id = ${customerId})
          AND (${state}::text IS NULL OR r.state = ${state})
          AND (${before}::uuid IS NULL OR r.id < ${before}::uuid)
        ORDER BY r.id DESC LIMIT ${limit + 1}`;
      return cutPage(
        rows,
        limit,
        (row) => row,
        ({ id }) => id,
      );
    },

    pause: (id) => changeState(pool, id, 'running', 'paused'),
    resume: (id) => changeState(pool, id, 'paused', 'running'),
    cancel: (id) => cancel(pool, id),
  };
}

/** With what ended since the counts were last written; of a finished replay there is none. */
const selection = Prisma.sql`
  SELECT r.id, r.customer_id AS "customerId", r.status, r.endpoint_id AS "endpointId", r.type, r.since, r.until, r.state,
         r.matched, (r.done + ended.done)::int AS done, (r.failed + ended.failed)::int AS failed,
         r.created_at AS "createdAt", r.finished_at AS "finishedAt"
    FROM replay r
    JOIN customer c ON c.id = r.customer_id AND c.erased_at IS NULL
   CROSS JOIN LATERAL (
     SELECT count(*) FILTER (WHERE outcome = 'done') AS done, count(*) FILTER (WHERE outcome = 'failed') AS failed
       FROM (SELECT ${Prisma.raw(REPLAYED_OUTCOME)} AS outcome FROM replay_delivery o WHERE o.replay_id = r.id) opened
   ) ended`;

async function insert(
  tx: Prisma.TransactionClient,
  id: string,
  { customerId, status, endpointId, type, since, until }: ReplayFilter,
): Promise<Date | { kind: 'in_progress' | 'unknown_customer' }> {
  // The lock keeps an erasure from passing between the look and the insert.
  const known = await tx.$queryRaw<unknown[]>`
    SELECT 1 FROM customer WHERE id = ${customerId} AND erased_at IS NULL FOR SHARE`;
  if (known.length === 0) return { kind: 'unknown_customer' };
  const [row] = await tx.$queryRaw<{ createdAt: Date }[]>`
    INSERT INTO replay (id, customer_id, status, endpoint_id, type, since, until, created_at)
    VALUES (${id}::uuid, ${customerId}, ${status}, ${endpointId}::uuid, ${type}, ${since}::timestamptz, ${until}::timestamptz,
            clock_timestamp())
    ON CONFLICT (customer_id) WHERE state IN ('running', 'paused') DO NOTHING
    RETURNING created_at AS "createdAt"`;
  return row?.createdAt ?? { kind: 'in_progress' };
}

async function insertLanes(
  tx: Prisma.TransactionClient,
  id: string,
  { lanes, matched }: ReplayMatches,
): Promise<void> {
  await tx.replayLane.createMany({
    data: lanes.map((lane) => ({ replayId: id, ...lane, afterId: BEFORE_ALL })),
  });
  await tx.replay.update({ where: { id }, data: { matched } });
}

async function changeState(
  pool: pg.Pool,
  id: string,
  from: ReplayState,
  to: ReplayState,
): Promise<ReplayStateOutcome> {
  const { rows } = await pool.query<{ was: ReplayState }>(
    `WITH before AS (SELECT id, state FROM replay WHERE id = $1 FOR UPDATE),
          changed AS (UPDATE replay r SET state = $3 FROM before WHERE r.id = before.id AND before.state = $2)
     SELECT state AS was FROM before`,
    [id, from, to],
  );
  const [before] = rows;
  if (!before) return { kind: 'not_found' };
  return before.was === from || before.was === to ? { kind: 'done' } : { kind: 'refused', state: before.was };
}

function cancel(pool: pg.Pool, id: string): Promise<ReplayStateOutcome> {
  return inTransaction(pool, async (client) => {
    const { rows } = await client.query<{ state: ReplayState }>(
      'SELECT state FROM replay WHERE id = $1 FOR UPDATE',
      [id],
    );
    const [replay] = rows;
    if (!replay) return { kind: 'not_found' };
    if (replay.state === 'cancelled') return { kind: 'done' };
    if (replay.state === 'completed') return { kind: 'refused', state: replay.state };
    await collectReplayEnds(client, id);
    await client.query('DELETE FROM replay_delivery WHERE replay_id = $1', [id]);
    await client.query('DELETE FROM replay_lane WHERE replay_id = $1', [id]);
    await client.query(
      `WITH finished AS (
         UPDATE replay SET state = 'cancelled', finished_at = clock_timestamp() WHERE id = $1 RETURNING *
       ), ${NOTE_REPLAY_FINISHED}
       SELECT FROM finished`,
      [id],
    );
    return { kind: 'done' };
  });
}
