export { cancelDeliveries } from './cancel-deliveries.sql.js';
export { cancelDelivery, cancelMatchingDeliveries, countMatchingDeliveries } from './cancel-delivery.js';
export { deleteEndpoint } from './delete-endpoint.sql.js';
