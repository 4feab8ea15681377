import { percentiles, type Percentiles } from './percentile.js';
import type { Arrival } from './receiver.js';

/** Percentiles of those whose event was made in one of the spans. */
export function latenciesIn(
  arrivals: readonly Arrival[],
  spans: readonly (readonly [fromMs: number, toMs: number])[],
): Percentiles {
  const inSpans = arrivals.filter(({ atMs, latencyMs }) =>
    spans.some(([fromMs, toMs]) => atMs - latencyMs >= fromMs && atMs - latencyMs < toMs),
  );
  return percentiles(inSpans.map(({ latencyMs }) => latencyMs));
}

/** The most that lie within any window of this length, wherever it begins. */
export function mostWithin(timesMs: readonly number[], windowMs: number): number {
  const sorted = [...timesMs].sort((a, b) => a - b);
  let most = 0;
  for (let first = 0, end = 0; end < sorted.length; end += 1) {
    while ((sorted[end] ?? 0) - (sorted[first] ?? 0) >= windowMs) first += 1;
    most = Math.max(most, end - first + 1);
  }
  return most;
}

/** How many fall into each span of this length, from `fromMs` on. */
export function countBySpan(timesMs: readonly number[], fromMs: number, spanMs: number): number[] {
  const counts: number[] = [];
  for (const timeMs of timesMs) {
    const span = Math.floor((timeMs - fromMs) / spanMs);
    if (span < 0) continue;
    while (counts.length <= span) counts.push(0);
    counts[span] = (counts[span] ?? 0) + 1;
  }
  return counts;
}
