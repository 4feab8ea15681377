export { createAttemptStore, type Attempt, type AttemptStore } from './attempt-store.sql.js';
export { createDeliveryStore, type Delivery, type DeliveryStore } from './delivery-store.sql.js';
export { createEventStore, type Event, type EventStore, type EventSummary } from './event-store.sql.js';
export { createLedgerStore, type LedgerStore } from './ledger-store.sql.js';
