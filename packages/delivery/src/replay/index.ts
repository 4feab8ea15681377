export type { ReplayFilter } from './find-deliveries-to-replay.sql.js';
export { replayDelivery, replayEvent, type ReplayDeps, type ReplayOutcome } from './replay-delivery.js';
export { createReplayRunner } from './replay-many.js';
export {
  createReplayStore,
  type Replay,
  type ReplayStateOutcome,
  type ReplayStore,
} from './replay-store.sql.js';
