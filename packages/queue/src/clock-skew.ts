/**
 * This process's clock minus Redis's, in ms. BullMQ decides by the client's clock when a delayed job is due, our scripts
 * by Redis's: a skew shows as jobs that run early or late. An answer was made somewhere between the question and its
 * arrival, so a measurement is as exact as half its round trip: the quickest one of the last minute counts.
 */
export function createClockSkew() {
  let best: { skewMs: number; roundTripMs: number; atMs: number } | null = null;
  return {
    note(sentAtMs: number, redisNowMs: number, receivedAtMs: number): void {
      const roundTripMs = receivedAtMs - sentAtMs;
      if (best && roundTripMs > best.roundTripMs && receivedAtMs - best.atMs < keptMs) return;
      best = {
        skewMs: Math.round((sentAtMs + receivedAtMs) / 2 - redisNowMs),
        roundTripMs,
        atMs: receivedAtMs,
      };
    },
    /** Null before the first measurement. */
    ms: () => best?.skewMs ?? null,
  };
}

const keptMs = 60_000;

export type ClockSkew = ReturnType<typeof createClockSkew>;
