export { createEndpointDisabler } from './disable-endpoint.js';
export { disableFailing } from './disable-failing.js';
export { createEndpointHealthStore } from './store-endpoint-health.js';
export { createEndpointRecovery } from './recover-endpoint.js';
