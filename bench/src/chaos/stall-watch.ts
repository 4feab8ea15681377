const TICK_MS = 50;
/** A tick that comes so late: the process did not get to run, and what had arrived was not read. */
const STALL_MS = 250;
/** What had piled up is read within so long. */
const CAUGHT_UP_WITHIN_MS = 1_000;

export interface StallWatch {
  /** Since when what is read now may have been lying there: now, or the beginning of a stall that was just over. */
  waitingSinceMs(nowMs: number): number;
}

/** Notices when this process was kept from running, by others on the machine or by work of its own. */
export function createStallWatch(): StallWatch {
  let tickedAtMs = Date.now();
  let stall = { fromMs: 0, untilMs: 0 };

  function note(nowMs: number): void {
    if (nowMs - tickedAtMs > STALL_MS) {
      const goesOn = tickedAtMs - stall.untilMs < CAUGHT_UP_WITHIN_MS;
      stall = { fromMs: goesOn ? stall.fromMs : tickedAtMs, untilMs: nowMs };
    }
    tickedAtMs = nowMs;
  }

  setInterval(() => note(Date.now()), TICK_MS).unref();
  return {
    waitingSinceMs(nowMs) {
      if (nowMs - tickedAtMs > STALL_MS) note(nowMs);
      return nowMs - stall.untilMs < CAUGHT_UP_WITHIN_MS ? stall.fromMs : nowMs;
    },
  };
}
