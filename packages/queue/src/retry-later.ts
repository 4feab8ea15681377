/** Thrown out of a job: it is due again after a delay. */
export class RetryLater extends Error {
  override readonly name = 'RetryLater';
  readonly delayMs: number;

  constructor(delayMs: number) {
    super('retry');
    this.delayMs = Math.max(0, Math.ceil(delayMs));
  }
}
