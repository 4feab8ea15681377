export { closeDeliveries } from './close-deliveries.sql.js';
export { createDeliverySettler } from './settle-delivery.js';
