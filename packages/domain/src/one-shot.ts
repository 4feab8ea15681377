import { createHash } from 'node:crypto';

/** Of the event that a one-shot is kept as: a payload sent to a URL that no endpoint was registered for. */
export const oneShotType = 'posthorn.one_shot';

/** So many lanes of a customer at most. */
export const oneShotLanesMax = 64;

/** What one-shots to an origin go over: a queue and a circuit breaker. */
export interface OneShotLane {
  readonly id: string;
  /** The one it was made for. */
  readonly origin: string;
  /** It serves others as well. */
  readonly shared: boolean;
}

/** Which server a URL is at: scheme, host and port. Two of them are not to wait for each other. */
export function originOf(url: string): string {
  return new URL(url).origin;
}

/**
 * Which of a customer's lanes an origin belongs to: its own, and always the same. The first origins have a lane each; once
 * there are as many lanes as there may be, the others share those, chosen by a hash. Undefined as long as there is room
 * for one of its own. `lanes` are all there are, in the order of their ids.
 */
export function laneOf(lanes: readonly OneShotLane[], origin: string): OneShotLane | undefined {
  const own = lanes.find((lane) => lane.origin === origin);
  if (own || lanes.length < oneShotLanesMax) return own;
  return lanes[createHash('sha256').update(origin).digest().readUInt32BE() % lanes.length];
}

/** Whether one-shots to the origin may go over the lane as it is. */
export function serves(lane: OneShotLane, origin: string): boolean {
  return lane.shared || lane.origin === origin;
}
