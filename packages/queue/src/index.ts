export type { DeliveryJob, JobVerdict } from './delivery-job.js';
export type { QueueProducer, QueueProducerOptions } from './queue-producer-options.js';
export { createQueueProducer } from './queue-producer.js';
export type {
  Dispatcher,
  DispatcherOptions,
  DispatcherStats,
  HealthStore,
  StoredHealth,
  LaneLimits,
} from './dispatcher-options.js';
export { CircuitBreaker } from './flow-control/breaker.js';
export { createDispatcher } from './dispatcher.js';
export {
  type LiveLaneQueues,
  type LiveLanes,
  type LiveLanesOptions,
  openLiveLanes,
} from './lanes/live-lanes.js';
