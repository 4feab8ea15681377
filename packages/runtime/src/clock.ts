/** Time comes in through deps, so that tests can decide what it is. */
export interface Clock {
  nowMs(): number;
}
