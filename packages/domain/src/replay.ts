import type { DeliveryStatus } from './delivery.js';

/** `running` and `paused` are underway; the other two are final. */
export const replayStates = ['running', 'paused', 'completed', 'cancelled'] as const;
export type ReplayState = (typeof replayStates)[number];

/**
 * What a bulk replay may open: finished deliveries. Pending ones are on their way, and what becomes of held ones stands
 * with their endpoint.
 */
export const replayableStatuses = [
  'dead_lettered',
  'cancelled',
  'delivered',
] as const satisfies DeliveryStatus[];
export type ReplayableStatus = (typeof replayableStatuses)[number];
