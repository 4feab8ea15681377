import { setTimeout as pause } from 'node:timers/promises';
import type pg from 'pg';

export interface EndpointToAdd {
  customerId: string;
  url: string;
  /** Only Posthorn has these; as its API takes them. */
  settings?: Record<string, unknown>;
}

/** A service that accepts events at POST /v1/events and delivers them; every part of it a process of its own. */
export interface Contestant {
  name: 'posthorn' | 'floor' | 'naive';
  ingest: { origin: string; pid: number };
  /** Those that run now. */
  workers: readonly { pid: number }[];
  /** Gracefully; what is accepted meanwhile waits. */
  stopWorkers(): Promise<void>;
  startWorkers(): Promise<void>;
  apiKey: string;
  pool: pg.Pool;
  /** Resolves with their ids, in order. */
  addEndpoints(endpoints: readonly EndpointToAdd[]): Promise<string[]>;
}

/** Resolves when nothing is pending any more; with false when that took longer. */
export async function untilRecorded({ pool }: Contestant, limitMs: number): Promise<boolean> {
  const deadlineMs = performance.now() + limitMs;
  while (performance.now() < deadlineMs) {
    const { rows } = await pool.query<{ open: boolean }>(
      "SELECT EXISTS (SELECT FROM delivery WHERE status = 'pending') AS open",
    );
    if (!rows[0]?.open) return true;
    await pause(50);
  }
  return false;
}

export async function countDelivered({ pool }: Contestant): Promise<number> {
  const { rows } = await pool.query<{ count: number }>(
    "SELECT count(*)::int AS count FROM delivery WHERE status = 'delivered'",
  );
  return rows[0]?.count ?? 0;
}

/** Autovacuum and the checkpointer would do so in the middle of what is measured. */
export async function tidyUp({ pool }: Contestant): Promise<void> {
  await pool.query('VACUUM (ANALYZE)');
  await pool.query('CHECKPOINT');
}
