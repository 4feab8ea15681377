/** Deliveries that wait for a commit: ten full commits, about a second. A producer should not wait longer. */
export const deliveriesWaitingMax = 5_000;

/** A lone event is committed at once; those of a steady stream gather, as `docs/adr/0003-accepting-is-one-statement.md` says. */
export const acceptPace = { gatherMs: 5, overlapAfterMs: 10 };

export interface AcceptLoad {
  /** Deliveries that wait for a commit, an event without one counted as one. */
  waiting: number;
  /** How long the first of them has been waiting. */
  waitedMs: number;
}
