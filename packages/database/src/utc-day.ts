export const DAY_MS = 86_400_000;

/** The first millisecond of a time's day in UTC, which is what partitions are made by. */
export function startOfDay(ms: number): number {
  return Math.floor(ms / DAY_MS) * DAY_MS;
}

/** A time's day in UTC, such as `2026-11-20`. */
export function isoDay(ms: number): string {
  return new Date(ms).toISOString().slice(0, 10);
}

/** The first day that retention leaves alone, whenever today it looks. */
export function oldestDayKept(nowMs: number, retentionDays: number): number {
  return startOfDay(nowMs) - (retentionDays - 1) * DAY_MS;
}
