export { createOperationalEventPublisher } from './publish-operational-events.js';
