/**
 * Latencies are kept as counts in buckets that grow by 2^(1/8): bucket 0 is below 1 ms, bucket b from `latencyBounds[b - 1]`
 * to below `latencyBounds[b]`. Counts of the same bucket add up, so histograms of minutes and endpoints can be merged, and
 * a percentile read from them is off by less than 10 %.
 */
export const latencyBounds: readonly number[] = Array.from({ length: 129 }, (_, index) => 2 ** (index / 8));

/** The latency, in ms, that the given share of the counted is at or below; null when nothing was counted. */
export function latencyPercentile(counts: ReadonlyMap<number, number>, share: number): number | null {
  const buckets = [...counts].sort(([a], [b]) => a - b);
  let left = share * buckets.reduce((sum, [, count]) => sum + count, 0);
  for (const [bucket, count] of buckets) {
    if (left <= count) return between(bucket, left / count);
    left -= count;
  }
  return null;
}

function between(bucket: number, share: number): number {
  const lower = latencyBounds[bucket - 1] ?? 0;
  const upper = latencyBounds[bucket] ?? lower;
  return Math.round(lower + (upper - lower) * share);
}
