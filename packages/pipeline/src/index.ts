export {
  createEventAcceptor,
  deliveriesWaitingMax,
  type AcceptLoad,
  type AcceptOutcome,
  type EventAcceptor,
  type EventToAccept,
} from './accept-event.js';
export {
  createOneShotAcceptor,
  type OneShotAcceptor,
  type OneShotOutcome,
  type OneShotToAccept,
} from './accept-one-shot.js';
export { createDeliveryAttempter } from './attempt-delivery.js';
export { deleteEndpoint } from './delete-endpoint.js';
export { createEndpointCache, type EndpointCache } from './endpoint-cache.js';
export { createDeliveryEnqueuer, type DeliveryEnqueuer } from './enqueue-deliveries.js';
export { eraseCustomer, type EraseCustomerDeps, type ErasureReceipt } from './erase-customer.js';
export { expireHeld, expireParked } from './expire-deliveries.js';
export { finishErasures } from './finish-erasures.js';
export { heldForMs } from './held-for.js';
export { createRouteCache, type RouteCache } from './route-cache.js';
export { createDeliverySettler, type DeliverySettler } from './settle-delivery.js';
export { createSweep, type Sweep, type SweepResult } from './sweep.js';
export {
  cancelDelivery,
  cancelMatchingDeliveries,
  countMatchingDeliveries,
  type BulkCancellation,
  type CancelFilter,
} from './cancel-delivery.js';
export { keepHeldLimit } from './keep-held-limit.js';
export { pauseEndpoint, type EndpointStatusOutcome } from './pause-endpoint.js';
export { createHeldReconciler } from './reconcile-held-deliveries.js';
export { replayDelivery, replayEvent, type ReplayDeps, type ReplayOutcome } from './replay-delivery.js';
export { createReplayRunner } from './replay-many.js';
export { resumeEndpoint } from './resume-endpoint.js';
export { createEndpointHealthKeeper, type EndpointHealthKeeper } from './keep-endpoint-health.js';
export { createEndpointRecovery } from './recover-endpoint.js';
export { createEndpointDisabler } from './disable-endpoint.js';
export { disableFailing } from './disable-failing.js';
export { createNoticeTeller } from './tell-notices.js';
export { sendTest, type SentTest, type TestDeps } from './send-test.js';
export { createAttemptReading } from './read-attempts.js';
