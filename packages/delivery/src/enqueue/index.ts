export { createDeliveryEnqueuer } from './enqueue-deliveries.js';
