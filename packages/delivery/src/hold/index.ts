export { expireHeld, expireParked } from './expire-deliveries.js';
export { holdLimitMs } from './hold-limit.js';
export { cancelHeldOverLimit } from './cancel-held-over-limit.js';
export { pauseEndpoint, type EndpointStatusOutcome } from './pause-endpoint.js';
export { createHeldReconciler } from './reconcile-held-deliveries.js';
export { resumeEndpoint } from './resume-endpoint.js';
