export interface RateLimit {
  max: number;
  perSeconds: number;
}

/** The schema keeps both columns set or both null. */
export function rateLimitOf(row: {
  rateLimitMax: number | null;
  rateLimitPerSeconds: number | null;
}): RateLimit | null {
  if (row.rateLimitMax === null || row.rateLimitPerSeconds === null) return null;
  return { max: row.rateLimitMax, perSeconds: row.rateLimitPerSeconds };
}
