export { expireHeld, expireParked } from './expire-deliveries.js';
export { heldForMs } from './held-for.js';
export { keepHeldLimit } from './keep-held-limit.js';
export { pauseEndpoint, type EndpointStatusOutcome } from './pause-endpoint.js';
export { createHeldReconciler } from './reconcile-held-deliveries.js';
export { resumeEndpoint } from './resume-endpoint.js';
