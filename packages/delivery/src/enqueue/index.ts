export { createDeliveryEnqueuer, type JobQueue } from './enqueue-deliveries.js';
