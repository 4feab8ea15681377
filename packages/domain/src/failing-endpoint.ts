/** An endpoint none of whose attempts is delivered any more. */
export interface Failing {
  /** When the first of these attempts started; null when the endpoint has become another one since (a changed URL). */
  sinceMs: number | null;
  /** When the last one started. */
  lastAtMs: number;
  /** The last attempt when someone was told, who is to be told when it is over as well; null: nobody was. */
  warnedAtMs: number | null;
}

/** What newly recorded attempts of an endpoint say. */
export interface AttemptsSeen {
  /** When the last one that was delivered started. */
  deliveredAtMs: number | null;
  /** When the first and the last of those that were not, and started later than that, did. */
  failedFirstMs: number | null;
  failedLastMs: number | null;
}

export type FailingNews = 'failing' | 'recovered';

/**
 * What is to be kept of an endpoint after these attempts, and what there is to tell. How long it has been failing counts
 * from the first failed attempt to the last, not to now: an endpoint that nothing was sent to has not failed meanwhile.
 * Attempts may be recorded late and thus come in any order; one that was delivered ends what began before it.
 * `warnAfterMs` null: nobody is told.
 */
export function nextFailing(
  kept: Failing | null,
  { deliveredAtMs, failedFirstMs, failedLastMs }: AttemptsSeen,
  warnAfterMs: number | null,
): { kept: Failing | null; news: FailingNews[] } {
  const news: FailingNews[] = [];
  let failing = kept;
  if (failing && deliveredAtMs !== null && deliveredAtMs >= (failing.sinceMs ?? 0)) {
    if (failing.warnedAtMs !== null) news.push('recovered');
    const { lastAtMs } = failing;
    failing = lastAtMs > deliveredAtMs ? { sinceMs: lastAtMs, lastAtMs, warnedAtMs: null } : null;
  }
  if (failedFirstMs !== null && failedLastMs !== null) {
    failing = {
      sinceMs: failing?.sinceMs ?? failedFirstMs,
      lastAtMs: Math.max(failing?.lastAtMs ?? 0, failedLastMs),
      warnedAtMs: failing?.warnedAtMs ?? null,
    };
  }
  if (failing && warnAfterMs !== null && isToBeTold(failing, warnAfterMs)) {
    failing = { ...failing, warnedAtMs: failing.lastAtMs };
    news.push('failing');
  }
  return { kept: failing, news };
}

/** Once; and once more of one that has become another one and fails again. */
function isToBeTold({ sinceMs, lastAtMs, warnedAtMs }: Failing, warnAfterMs: number): boolean {
  if (sinceMs === null || lastAtMs - sinceMs < warnAfterMs) return false;
  return warnedAtMs === null || warnedAtMs < sinceMs;
}
