export { createEndpointDisabler } from './disable-endpoint.js';
export { disableFailing } from './disable-failing.js';
export { createEndpointHealthKeeper } from './keep-endpoint-health.js';
export { createEndpointRecovery } from './recover-endpoint.js';
