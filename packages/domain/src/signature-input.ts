/** What a request is signed over, whatever the scheme. */
export interface SignatureInput {
  /** Constant over retries and replays. */
  readonly id: string;
  readonly timestampSeconds: number;
  /** Exactly the bytes that are sent. */
  readonly body: Buffer | string;
  /** The current secret first, then those that still sign during a rotation's overlap, newest first. At least one. */
  readonly secrets: readonly string[];
}

/** The first one, or TypeError: an unsigned delivery is never sent. */
export function currentSecret(secrets: readonly string[]): string {
  const [current] = secrets;
  if (current === undefined) throw new TypeError('A delivery needs at least one signing secret');
  return current;
}
