import type { OverloadGuard } from '../overload-guard.js';

/** Lets everything in: for tests that are about something else. */
export const openGate: OverloadGuard = {
  refusal: () => null,
  hold: () => ({ add: () => null, release: () => undefined }),
  heldBytes: () => 0,
  close: () => undefined,
};
