export type {
  DeliveryChanges,
  ChangedAttempt,
  ChangedDelivery,
  DeliveryChange,
  ChangePosition,
  ChangeQuery,
} from './delivery-change.js';
export { changesPerCustomerMax, readDeliveryChanges } from './read-delivery-changes.sql.js';
