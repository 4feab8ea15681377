export { openChangeFeed, type ChangeFeed, type ChangeFeedOptions, type ChangeKind } from './change-feed.js';
export { openDatabase, type Database, type Transaction } from './database.js';
export type { DatabaseClock } from './database-clock.js';
export { dropOldPartitions, withAllDaysAttached } from './drop-partitions.js';
export { idBounds } from './sql/id-bounds.js';
export { inTransaction } from './sql/in-transaction.js';
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
export {
  createCustomerStore,
  type Customer,
  type CustomerPosition,
  type CustomerSettings,
  type CustomerStore,
  type PutCustomerOutcome,
} from './stores/customer-store.js';
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
  createOneShotSecrets,
  type OneShotSecrets,
  type RotateOneShotSecretOutcome,
} from './stores/one-shot-secrets.js';
export {
  createIdempotentAnswerStore,
  type IdempotentAnswerStore,
  type IdempotentOutcome,
} from './stores/idempotent-answer-store.js';
export { keepNotificationEndpoint } from './stores/notification-endpoint.js';
export type { Page } from './stores/page.js';
export {
  createPortalLinkStore,
  type PortalLinkStore,
  type PortalSession,
} from './stores/portal-link-store.js';
export type { RateLimit } from './stores/rate-limit.js';
export type { DeliveryEndpoint, EndpointForDelivery } from './stores/read-for-delivery.js';
export type { CustomerRoutes, RoutedEndpoint } from './stores/read-routes.js';
export {
  createEventTypeStore,
  type EventType,
  type EventTypePosition,
  type EventTypeSettings,
  type EventTypeStore,
} from './stores/event-type-store.js';
export { oldestDayKept } from './utc-day.js';
export { byIndex, setLocal } from './connection-settings.js';
export { isLocked } from './sql/is-locked.js';
export { DAY_MS, isoDay, startOfDay } from './utc-day.js';
export { byDay, type DayTables } from './sql/by-day.js';
export { createDayStatement, createStatement } from './sql/statement.js';
export { partitionName } from './partition-tables.js';
export { Prisma, PrismaClient } from './generated/client.js';
export { cutPage } from './stores/page.js';
export { addMissingSecrets } from './stores/one-shot-secrets.js';
export { openOneShotHeaders, sealOneShotHeaders } from './stores/sealed-one-shot.js';
export { createPrismaAdapter } from './prisma-adapter.js';
export type { Pool as DatabasePool, ClientBase as DatabaseConnection } from 'pg';
