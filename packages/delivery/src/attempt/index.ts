export { createDeliveryAttempter } from './attempt-delivery.js';
export { createEndpointCache, type EndpointCache } from './endpoint-cache.js';
export { createOneShotStore, type OneShotStatus, type OneShotStore } from './one-shot-store.sql.js';
