/** docs/concepts/limits-and-breaker.md says these to users. */
const failureRunFigures = {
  /** Failures in a row that look dead where no failure is remembered, */
  atLeast: 5,
  /** and the most that it may take. */
  atMost: 60,
  /** Between the two: as many as an endpoint that fails as often as before has in a row with this probability. */
  chance: 1e-8,
  /** Outcomes that are remembered; older ones weigh less and less. */
  memory: 30,
} as const;

const kept = 1 - 1 / failureRunFigures.memory;
/** Less of a failure than this is forgotten. */
const forgottenBelow = 0.2;

/**
 * The failures in a row of an endpoint, and how many of them look dead: few where it has worked, more where it fails now
 * and then, because a run of failures says little about an endpoint that has had them before.
 *
 * In a row by when they started: sends that time out end together, long after those beside them that succeeded.
 */
export class FailureRun {
  #failed = 0;
  #succeeded = 0;
  /** When the failures after the last success started, in order. */
  #run: number[] = [];
  #lastSuccess = 0;
  #length = 0;
  #deadAt: number = failureRunFigures.atLeast;

  /** Failures after the last success and with nothing between them that may still succeed. */
  get length(): number {
    return this.#length;
  }

  /** A run of this length looks dead. */
  get deadAt(): number {
    return this.#deadAt;
  }

  get looksDead(): boolean {
    return this.#length >= this.#deadAt;
  }

  /** Half as long as one that looks dead, and less than one failure where that is little. */
  get isUsual(): boolean {
    return this.#length < 1 + (this.#deadAt - failureRunFigures.atLeast) / 2;
  }

  /** When its last failure started; what started after it may end the run. */
  get newest(): number {
    return this.#run.at(-1) ?? 0;
  }

  /** Whether it has succeeded, as far as is known here. */
  get hasWorked(): boolean {
    return this.#lastSuccess > 0;
  }

  /** Whether no failure is remembered. */
  get isClean(): boolean {
    return this.#failed === 0 && this.#run.length === 0;
  }

  addFailure(started: number): void {
    if (started > this.#lastSuccess)
      this.#run.splice(this.#run.findLastIndex((before) => before < started) + 1, 0, started);
    else this.#remember(1, 0);
    if (this.#run.length <= failureRunFigures.atMost) return;
    this.#run.shift();
    this.#remember(1, 0);
  }

  /** To be called when something has ended, with what is still under way. */
  measure(underway: Iterable<number>): void {
    this.#length = 0;
    if (this.#run.length === 0) return;
    let split = 0;
    for (const started of underway) if (started < this.newest) split = Math.max(split, started);
    this.#length = this.#run.length - (this.#run.findLastIndex((failure) => failure < split) + 1);
  }

  /** A run that looked dead counts for no more than made it look so: an outage is not a habit. */
  addSuccess(started: number): void {
    if (started > this.#lastSuccess) {
      this.#lastSuccess = started;
      const over = this.#run.filter((failure) => failure < started).length;
      for (let n = Math.min(over, this.#deadAt); n > 0; n--) this.#remember(1, 0);
      this.#run = this.#run.filter((failure) => failure > started);
    }
    this.#remember(0, 1);
    if (this.#failed < forgottenBelow) this.#failed = 0;
    const { atLeast, atMost, chance } = failureRunFigures;
    // Laplace's rule of succession: after a few outcomes nothing is sure.
    const share = (this.#failed + 1) / (this.#failed + this.#succeeded + 2);
    const unlikely = Math.floor(Math.log(chance) / Math.log(share));
    this.#deadAt = Math.min(atMost, Math.max(atLeast, unlikely));
  }

  #remember(failed: number, succeeded: number): void {
    this.#failed = this.#failed * kept + failed;
    this.#succeeded = this.#succeeded * kept + succeeded;
  }
}
