export type { StreamedDeliveryResource } from './stream.js';
export { operationList, operations } from './operations.js';
export type { Method, Operation, ResponseOf, ResponseShapes } from './operation.js';
export {
  type FieldError,
  type ProblemCode,
  problemCodes,
  type ProblemDocument,
  problemDocument,
  type ProblemFacts,
} from './problem.js';
export {
  type Access,
  accessBy,
  leastScope,
  type OperationId,
  type Permission,
  permissionOf,
  type PermissionCaller,
} from './permissions.js';
export type { Scope } from './scope.js';
export { type Validated, validateValue, type ValidateOptions } from './validate-value.js';
export { timestampMsMax, timestampMsMin } from './timestamp.js';
export { decodeCursor, encodeCursor, type Page, type PageQuery } from './page.js';
export { type IdKind, idPrefixes, type RateLimit } from './fields.js';
export { patchEndpointSettings } from './endpoint-patch.js';
export { maskedHeaderValue } from './delivery-headers-schema.js';
export {
  type AcceptedEventResource,
  batchBody,
  batchBytesMax,
  type BatchItemResource,
  eventInput,
  type EventDetailResource,
  type EventInput,
  type EventResource,
  idempotencyKey,
  type ListEventsQuery,
} from './events.js';
export { idempotencyHeaders } from './operations-events.js';
export {
  compileEventSchema,
  type CompiledEventSchema,
  type EventSchemaCheck,
  nestingMax,
} from './event-schema.js';
export { isNestedDeeper } from './nesting.js';
export type { EventTypeResource, PutEventTypeBody } from './event-types.js';
export type { AttemptResource, DeliveryResource, ListDeliveriesQuery } from './deliveries.js';
export type {
  CustomerLimits,
  CustomerResource,
  ErasureReceiptResource,
  PutCustomerBody,
  PutCustomerResource,
} from './customers.js';
export type {
  CreatedEndpointResource,
  CreateEndpointBody,
  EndpointResource,
  EndpointSettings,
  PatchEndpointBody,
  RotatedSecretResource,
  RotateSecretBody,
} from './endpoints.js';
export {
  type AcceptedWebhookResource,
  deliverWebhookBody,
  type DeliverWebhookBody,
  type OneShotSecretResource,
  type WebhookStatusResource,
} from './webhooks.js';
export type { AuditEntryResource, ListAuditEntriesQuery } from './audit-log.js';
export {
  type ApiKeyResource,
  type CreateApiKeyBody,
  type CreatedApiKeyResource,
  patchApiKeySettings,
} from './api-keys.js';
export type { OpenedPortalSessionResource, PortalLinkResource, PortalSessionResource } from './portal.js';
export type { ReplayBody, ReplayMatchesResource, ReplayResource } from './replays.js';
export { type StatsBucket, type StatsBucketResource, statsBucketsMax, type StatsQuery } from './stats.js';
export { operationalEventBody } from './operational-events.js';
export type { HealthResource, ReadyCheckResource, ReadyResource } from './service.js';
export { buildOpenApi } from './openapi.js';
export { curlExample } from './curl-example.js';
export type {
  OpenApiContent,
  OpenApiDocument,
  OpenApiOperation,
  OpenApiParameter,
  OpenApiResponse,
} from './openapi-document.js';
export type { JsonSchema } from './json-schema.js';
