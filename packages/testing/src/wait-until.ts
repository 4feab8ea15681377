export interface WaitUntilOptions {
  timeoutMs?: number;
  intervalMs?: number;
  /** Named in the error when the condition never comes true. */
  what?: string;
}

/** CI machines are shared: what takes a moment on one's own can take several times as long there. */
export const patience = process.env['CI'] === 'true' ? 4 : 1;

/**
 * Resolves with the first truthy value the condition gives; rejects after `timeoutMs` (10 s; four times as long in CI)
 * with the condition's last error as the cause. A condition that throws counts as not yet true.
 */
export async function waitUntil<T>(
  condition: () => T | Promise<T>,
  { timeoutMs = 10_000, intervalMs = 10, what = 'the condition' }: WaitUntilOptions = {},
): Promise<NonNullable<T>> {
  const deadline = performance.now() + timeoutMs * patience;
  let cause: unknown;
  for (;;) {
    try {
      const value = await condition();
      if (value) return value;
      cause = undefined;
    } catch (error) {
      cause = error;
    }
    if (performance.now() >= deadline) {
      throw new Error(`${what} did not come true within ${timeoutMs} ms`, { cause });
    }
    await new Promise((resolve) => setTimeout(resolve, intervalMs));
  }
}
