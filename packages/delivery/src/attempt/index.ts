export { createDeliveryAttempter } from './attempt-delivery.js';
export { createEndpointCache, type EndpointCache } from './endpoint-cache.js';
export { createOneShotStore, type OneShotStore } from './one-shot-store.sql.js';
export type { OneShotStatus } from './one-shot-status.sql.js';
