const DAY_MS = 86_400_000;
const BEFORE_RETENTION_DAYS = 2;

/** How long after its event a delivery may be held: it ends two days before its partition is dropped. */
export function holdLimitMs(retentionDays: number): number {
  return (retentionDays - BEFORE_RETENTION_DAYS) * DAY_MS;
}
