import type pg from 'pg';

const RESAMPLE_MS = 10_000;
const FIRST_SAMPLES = 4;

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
export function createDatabaseClock(pool: Pick<pg.Pool, 'query'>): DatabaseClock {
  let offsetMs: number | null = null;
  const sampleOnce = async (): Promise<void> => {
    const before = Date.now();
    const { rows } = await pool.query<{ now_ms: string }>(
      'SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint AS now_ms',
    );
    const after = Date.now();
    // A very slow round trip says nothing about the clocks; keep the offset we have.
    if (after - before > 1_000) return;
    // The database read its clock somewhere between: the offset moves only as far as this answer proves it wrong, so that
    // a busy machine, whose answers are late, does not make the clock jump.
    const databaseMs = Number(rows[0]?.now_ms);
    const [least, most] = [databaseMs - after, databaseMs - before];
    offsetMs = offsetMs === null ? Math.round((least + most) / 2) : Math.min(most, Math.max(least, offsetMs));
  };
  const sample = async (): Promise<void> => {
    // The first answers wait for connections to be made; of several the tightest decides.
    const times = offsetMs === null ? FIRST_SAMPLES : 1;
    for (let time = 0; time < times; time += 1) await sampleOnce();
  };
  const timer = setInterval(() => {
    sample().catch(() => undefined);
  }, RESAMPLE_MS);
  timer.unref();
  return {
    nowMs: () => Date.now() + (offsetMs ?? 0),
    skewMs: () => offsetMs ?? 0,
    sample,
    stop: () => clearInterval(timer),
  };
}
