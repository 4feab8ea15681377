import type pg from 'pg';

const RESAMPLE_MS = 10_000;

/** The database's time, read from the local clock plus an offset that is measured again every few seconds. */
export interface DatabaseClock {
  nowMs(): number;
  /** How far the local clock was from the database's at the last sample. */
  skewMs(): number;
  /** Measures now; ids made before the first sample use the local clock. */
  sample(): Promise<void>;
  stop(): void;
}

/** Ids carry time and time picks the partition, so every process must take it from the same clock: the database's. */
export function createDatabaseClock(pool: pg.Pool): DatabaseClock {
  let offsetMs = 0;
  const sample = async (): Promise<void> => {
    const before = Date.now();
    const { rows } = await pool.query<{ now_ms: string }>(
      'SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint AS now_ms',
    );
    const after = Date.now();
    // A slow round trip says nothing about the clocks; keep the offset we have.
    if (after - before > 1_000) return;
    offsetMs = Number(rows[0]?.now_ms) - Math.round((before + after) / 2);
  };
  const timer = setInterval(() => {
    sample().catch(() => undefined);
  }, RESAMPLE_MS);
  timer.unref();
  return {
    nowMs: () => Date.now() + offsetMs,
    skewMs: () => offsetMs,
    sample,
    stop: () => clearInterval(timer),
  };
}
