import type pg from 'pg';

import type { DueCursor } from './find-due-deliveries.sql.js';

/** How far the sweep of one shard has come. */
export interface SweepState {
  /** What the sweep last left in Redis; null before the first pass. */
  marker: string | null;
  /** Walks each delivery shortly before it is due. */
  ahead: DueCursor;
  /** Walks each delivery soon after it is due. */
  first: DueCursor;
  /** Walks the same deliveries again later, for those that were committed behind the first. */
  second: DueCursor;
  /** Walks everything from the oldest on, again and again. */
  slow: DueCursor & { beganAtMs: number; ended: boolean; read: number; readBefore: number };
}

const NIL_UUID = '00000000-0000-0000-0000-000000000000';
// Two-part lock keys are a space of their own; the second part is the shard's hash.
const SWEEP_LOCKS = 7_270_436;

/** Before the oldest delivery. */
export const sweepStart: DueCursor = { nextAttemptAtMs: 0, id: NIL_UUID };

/** One process sweeps a shard at a time: true if it is this connection, until it unlocks or is gone. */
export async function lockSweep(client: pg.ClientBase, shard: string): Promise<boolean> {
  const { rows } = await client.query<{ locked: boolean }>(
    'SELECT pg_try_advisory_lock($1::int, hashtext($2)) AS locked',
    [SWEEP_LOCKS, shard],
  );
  return rows[0]?.locked === true;
}

export async function unlockSweep(client: pg.ClientBase, shard: string): Promise<void> {
  await client.query('SELECT pg_advisory_unlock($1::int, hashtext($2))', [SWEEP_LOCKS, shard]);
}

/** The state as last saved, and the database's time: the one clock that decides what is due, whoever sweeps. */
export async function loadSweepState(
  client: pg.ClientBase,
  shard: string,
): Promise<{ nowMs: number; state: SweepState }> {
  const { rows } = await client.query<StateRow>({
    name: 'load_sweep_state',
    text: `SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint AS now_ms, sweep.*
             FROM (SELECT) AS always LEFT JOIN sweep ON shard = $1`,
    values: [shard],
  });
  const row = rows[0];
  if (!row) throw new Error('The database did not tell its time');
  const nowMs = Number(row.now_ms);
  if (row.shard === null)
    return {
      nowMs,
      state: {
        marker: null,
        ahead: sweepStart,
        first: sweepStart,
        second: sweepStart,
        slow: { ...sweepStart, beganAtMs: nowMs, ended: false, read: 0, readBefore: 0 },
      },
    };
  return {
    nowMs,
    state: {
      marker: row.marker,
      ahead: { nextAttemptAtMs: row.ahead_due.getTime(), id: row.ahead_id },
      first: { nextAttemptAtMs: row.first_due.getTime(), id: row.first_id },
      second: { nextAttemptAtMs: row.second_due.getTime(), id: row.second_id },
      slow: {
        nextAttemptAtMs: row.slow_due.getTime(),
        id: row.slow_id,
        beganAtMs: row.slow_began_at.getTime(),
        ended: row.slow_ended,
        read: row.slow_read,
        readBefore: row.slow_read_before,
      },
    },
  };
}

/** To be called on the connection that holds the lock: when that is lost, so is the right to write. */
export async function saveSweepState(
  client: pg.ClientBase,
  shard: string,
  { marker, ahead, first, second, slow }: SweepState,
): Promise<void> {
  await client.query({
    name: 'save_sweep_state',
    text: `
      INSERT INTO sweep (shard, marker, first_due, first_id, second_due, second_id, slow_due, slow_id,
                         slow_began_at, slow_ended, slow_read, slow_read_before, ahead_due, ahead_id)
      VALUES ($1, $2, to_timestamp($3::bigint / 1000.0), $4, to_timestamp($5::bigint / 1000.0), $6,
              to_timestamp($7::bigint / 1000.0), $8, to_timestamp($9::bigint / 1000.0), $10, $11, $12,
              to_timestamp($13::bigint / 1000.0), $14)
      ON CONFLICT (shard) DO UPDATE
        SET marker = EXCLUDED.marker,
            first_due = EXCLUDED.first_due, first_id = EXCLUDED.first_id,
            second_due = EXCLUDED.second_due, second_id = EXCLUDED.second_id,
            slow_due = EXCLUDED.slow_due, slow_id = EXCLUDED.slow_id,
            slow_began_at = EXCLUDED.slow_began_at, slow_ended = EXCLUDED.slow_ended,
            slow_read = EXCLUDED.slow_read, slow_read_before = EXCLUDED.slow_read_before,
            ahead_due = EXCLUDED.ahead_due, ahead_id = EXCLUDED.ahead_id`,
    values: [
      shard,
      marker,
      first.nextAttemptAtMs,
      first.id,
      second.nextAttemptAtMs,
      second.id,
      slow.nextAttemptAtMs,
      slow.id,
      slow.beganAtMs,
      slow.ended,
      slow.read,
      slow.readBefore,
      ahead.nextAttemptAtMs,
      ahead.id,
    ],
  });
}

interface StateRow {
  now_ms: string;
  shard: string | null;
  marker: string;
  first_due: Date;
  first_id: string;
  second_due: Date;
  second_id: string;
  slow_due: Date;
  slow_id: string;
  slow_began_at: Date;
  slow_ended: boolean;
  slow_read: number;
  slow_read_before: number;
  ahead_due: Date;
  ahead_id: string;
}
