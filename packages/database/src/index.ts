export { openChangeFeed, type ChangeFeed, type ChangeKind } from './change-feed.js';
export { openDatabase, type Database, type PrismaClient, type Transaction } from './database.js';
export type { DatabaseClock } from './database-clock.js';
export { dropOldPartitions, withAllDaysAttached } from './drop-partitions.js';
export { type AttemptReader, takeAttemptReader } from './hot/attempt-reader.js';
export { bringForward, type BroughtForward } from './hot/bring-forward.js';
export { cancelDeliveries } from './hot/cancel-deliveries.js';
export { closeDeliveriesOfEndpoint } from './hot/close-deliveries-of-endpoint.js';
export { closeDeliveries, type DeliveryToClose } from './hot/close-deliveries.js';
export {
  endDraining,
  type KeptEndpointHealth,
  loadEndpointHealth,
  saveEndpointHealth,
  takeLeftDraining,
  touchDraining,
} from './hot/endpoint-health.js';
export { expireHeldDeliveries, findExpiredHeld } from './hot/expire-held-deliveries.js';
export {
  expireParkedDeliveries,
  findExpiredParked,
  type ParkedCursor,
} from './hot/expire-parked-deliveries.js';
export { findDueDeliveries, type DueCursor, type DueDelivery } from './hot/find-due-deliveries.js';
export {
  disableFailingEndpoints,
  type FailingLimits,
  type JudgedEndpoint,
  saveFailingEndpoints,
} from './hot/failing-endpoints.js';
export { findEndpointsHolding, type EndpointHolding } from './hot/find-endpoints-holding.js';
export { findFirstEvents, type FirstEvent, type FirstEventToFind } from './hot/find-first-events.js';
export { findEndpointsPastHeldLimit, findHeldPastLimit } from './hot/find-held-past-limit.js';
export type { ReplayFilter } from './hot/find-deliveries-to-replay.js';
export { findReplaysUnderway } from './hot/find-replays-underway.js';
export { countUnfinishedDeliveries, findUnfinishedDeliveries } from './hot/find-unfinished-deliveries.js';
export { tellExhausted } from './hot/gather-exhausted.js';
export { idBounds } from './hot/id-bounds.js';
export { inTransaction } from './hot/in-transaction.js';
export {
  insertEvents,
  type DeliveryToInsert,
  type EventToInsert,
  type InsertOutcome,
} from './hot/insert-events.js';
export { insertLargeEvent, type LargeEventToInsert, type LargeInsert } from './hot/insert-large-event.js';
export { insertTest, type TestToInsert } from './hot/insert-test.js';
export { findOneShots, type StoredOneShot } from './hot/find-one-shots.js';
export { insertOneShots, type OneShotInsertOutcome, type OneShotToInsert } from './hot/insert-one-shots.js';
export { loadDeliveries, type LoadedDelivery } from './hot/load-deliveries.js';
export { noteSql, type NoticeToTell, removeNotices, takeNotices } from './hot/notices.js';
export { openReplayPage } from './hot/open-replay-page.js';
export { openEventToEndpoint } from './hot/open-event-to-endpoint.js';
export { releaseHeldDeliveries, type ReleasedDelivery } from './hot/release-held-deliveries.js';
export { reopenDelivery, type ReopenOptions, type ReopenOutcome } from './hot/reopen-delivery.js';
export type { News, NewsAttempt, NewsDelivery, NewsItem, NewsPlace, NewsQuestion } from './hot/news.js';
export { newsOfCustomerMax, readNews } from './hot/read-news.js';
export { forgetClosings } from './hot/note-closings.js';
export { reviewReplay } from './hot/review-replay.js';
export { type EndpointSeen, rollUpAttempts } from './hot/roll-up-attempts.js';
export { rollUpEnds } from './hot/roll-up-ends.js';
export { settleAttempts, type AttemptToSettle, type SettleOutcome } from './hot/settle-attempts.js';
export { settleConflictedAttempt, type ConflictOutcome } from './hot/settle-conflicted-attempt.js';
export {
  loadSweepState,
  lockSweep,
  saveSweepState,
  sweepStart,
  unlockSweep,
  type SweepState,
} from './hot/sweep-state.js';
export { databaseTarget } from './database-target.js';
export { isDatabaseUnavailable } from './is-database-unavailable.js';
export {
  deployMigrations,
  migrationLock,
  MigrationError,
  migrationStatus,
  type MigrationLogger,
  readMigrationNames,
  type MigrationStatus,
} from './migrate.js';
export { untilOlderTransactionsEnd } from './older-transactions.js';
export { refreshPartitionStatistics } from './partition-statistics.js';
export { ensurePartitions, partitionDaysAhead } from './partitions.js';
export { reencrypt, type Reencrypted } from './reencrypt.js';
export { countSealed, type SealedCount, sealedKinds } from './sealed-columns.js';
export {
  createApiKeyStore,
  type ApiKey,
  type ApiKeyScope,
  type ApiKeyStore,
  type CreateApiKeyOutcome,
  type NewApiKey,
} from './stores/api-key-store.js';
export {
  type AuditEntry,
  type AuditStore,
  createAuditStore,
  type ListAuditEntriesQuery,
  type NewAuditEntry,
} from './stores/audit-store.js';
export { createAttemptStore, type Attempt, type AttemptStore } from './stores/attempt-store.js';
export {
  createCustomerStore,
  type Customer,
  type CustomerPosition,
  type CustomerSettings,
  type CustomerStore,
  type PutCustomerOutcome,
} from './stores/customer-store.js';
export {
  createDeliveryStore,
  type Delivery,
  type DeliveryStore,
  type ListDeliveriesQuery,
} from './stores/delivery-store.js';
export type { Endpoint, EndpointSettings, SecretDescription } from './stores/endpoint-record.js';
export { dropOldAnswers } from './stores/drop-old-answers.js';
export { endpointSecretsMax } from './stores/endpoint-record.js';
export {
  createEndpointStore,
  type CreateEndpointOutcome,
  type EndpointStore,
  type EndpointStoreDeps,
  type RotateSecretOutcome,
} from './stores/endpoint-store.js';
export {
  createEventStore,
  type Event,
  type EventStore,
  type EventSummary,
  type ListEventsQuery,
} from './stores/event-store.js';
export {
  createOneShotSecrets,
  type OneShotSecrets,
  type RotateOneShotSecretOutcome,
} from './stores/one-shot-secrets.js';
export type { WantedLane } from './stores/one-shot-lanes.js';
export {
  createOneShotStore,
  type OneShotForDelivery,
  type OneShotStatus,
  type OneShotStore,
  type OneShotTarget,
} from './stores/one-shot-store.js';
export {
  createIdempotentAnswerStore,
  type IdempotentAnswerStore,
  type IdempotentOutcome,
} from './stores/idempotent-answer-store.js';
export { createLedgerStore, type Ledger, type LedgerQuery, type LedgerStore } from './stores/ledger-store.js';
export { keepNotificationEndpoint } from './stores/notification-endpoint.js';
export type { Page } from './stores/page.js';
export {
  createPortalLinkStore,
  type PortalLinkStore,
  type PortalSession,
} from './stores/portal-link-store.js';
export type { RateLimit } from './stores/rate-limit.js';
export type { DeliveryEndpoint, EndpointForDelivery } from './stores/read-for-delivery.js';
export {
  createReplayStore,
  type Replay,
  type ReplayStateOutcome,
  type ReplayStore,
} from './stores/replay-store.js';
export type { CustomerRoutes, RoutedEndpoint } from './stores/read-routes.js';
export {
  createEventTypeStore,
  type EventType,
  type EventTypePosition,
  type EventTypeSettings,
  type EventTypeStore,
} from './stores/event-type-store.js';
export {
  createStatisticsStore,
  type Statistics,
  type StatisticsStore,
  type StatisticSpan,
} from './stores/statistics-store.js';
export { oldestDayKept } from './utc-day.js';
