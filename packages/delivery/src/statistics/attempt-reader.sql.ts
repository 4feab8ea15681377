import { byIndex, setLocal } from '@posthorn/database';
import type pg from 'pg';

/** Attempts that are read in one go at most, but for those of one transaction: a statement of 50 to 200 ms. */
const ATTEMPTS_MAX = 5_000;

/** Where the reader of attempts stands, and how far it may go now. Numbers of transactions are 64 bits wide, hence text. */
export interface AttemptReader {
  nextXid: string;
  openXids: string[];
  /** Attempts that started before this are left out. */
  since: Date;
  /** Transactions from this one on are left to the next go. */
  limitXid: string;
}

/** Past every transaction. */
const NO_LIMIT = '18446744073709551615';

/**
 * Takes the right to read for the rest of the transaction, and has rows looked up by index in it: a table that was small
 * when a statement was planned may have grown. Null when another process has it, or had it less than `notWithinMs` ago.
 */
export async function takeAttemptReader(
  client: pg.ClientBase,
  notWithinMs: number,
): Promise<AttemptReader | null> {
  await client.query(setLocal(byIndex));
  const { rows } = await client.query<
    Omit<AttemptReader, 'limitXid'> & { limitXid: string | null; restored: boolean }
  >({
    name: 'take_attempt_reader',
    text: `
      SELECT r.next_xid::text AS "nextXid", r.open_xids::text[] AS "openXids", r.since,
             r.next_xid > pg_snapshot_xmax(pg_current_snapshot()) AS restored,
             (SELECT settled_in FROM attempt WHERE settled_in >= r.next_xid
               ORDER BY settled_in OFFSET $2 LIMIT 1)::text AS "limitXid"
        FROM attempt_reader r
       WHERE r.behind OR r.read_at <= clock_timestamp() - $1 * interval '1 millisecond'
         FOR UPDATE SKIP LOCKED`,
    values: [notWithinMs, ATTEMPTS_MAX],
  });
  const [row] = rows;
  if (!row) return null;
  if (row.restored) return beginAnew(client);
  const { nextXid, openXids, since, limitXid } = row;
  return { nextXid, openXids, since, limitXid: limitXid === null ? NO_LIMIT : successor(limitXid) };
}

/**
 * The database was restored from a dump into a server whose transactions are numbered from lower on. What was recorded
 * before keeps its high numbers, and is told from what comes by when it started.
 */
async function beginAnew(client: pg.ClientBase): Promise<AttemptReader> {
  const { rows } = await client.query<Omit<AttemptReader, 'limitXid'>>(
    `UPDATE attempt_reader SET next_xid = pg_snapshot_xmax(pg_current_snapshot()), open_xids = '{}', since = clock_timestamp()
     RETURNING next_xid::text AS "nextXid", open_xids::text[] AS "openXids", since`,
  );
  const [row] = rows;
  if (!row) throw new Error('A locked row cannot be gone');
  return { ...row, limitXid: NO_LIMIT };
}

function successor(xid: string): string {
  return String(BigInt(xid) + 1n);
}
