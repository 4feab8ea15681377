import type { ApiKeyResource } from '../api-keys.js';
import type { AuditEntryResource } from '../audit-log.js';
import type { CustomerResource } from '../customers.js';
import type { AttemptResource, DeliveryResource } from '../deliveries.js';
import type { EndpointResource } from '../endpoints.js';
import type { EventTypeResource } from '../event-types.js';
import type { EventResource } from '../events.js';
import { idPrefixes } from '../fields.js';
import type { PortalSessionResource } from '../portal.js';
import type { ReplayResource } from '../replays.js';
import type { StatsBucketResource } from '../stats.js';
import type { StreamedDeliveryResource } from '../stream.js';

/** An id of each kind, the same in every example, so that one leads to the next. */
export const exampleId = (kind: keyof typeof idPrefixes): string =>
  `${idPrefixes[kind]}_01h455vb4pex5vsknk084sn02q`;

export const exampleSecret = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw0OeFQRBqVyg=';
/** Of tokens: what follows the prefix. */
export const exampleToken = '5VJx0Wm1sQ8dYtPz3KcRbN7hLfGaUeVo2XiTqMjC4wE';

const madeAt = '2026-01-30T09:15:00.000Z';
const acceptedAt = '2026-01-31T12:00:00.000Z';
const triedAt = '2026-01-31T12:00:00.012Z';

export const customer: CustomerResource = {
  id: 'acme',
  name: 'Acme Inc.',
  metadata: { plan: 'pro', seats: 12 },
  notificationUrl: null,
  limits: { maxInFlight: 20, rateLimit: null, maxEndpoints: null },
  createdAt: madeAt,
  updatedAt: madeAt,
};

export const endpoint: EndpointResource = {
  id: exampleId('endpoint'),
  customerId: 'acme',
  url: 'https://example.com/webhooks',
  eventTypes: ['invoice.*'],
  description: null,
  headers: { 'X-Team': '********' },
  signing: { scheme: 'standard' },
  retryPolicy: { preset: 'patient' },
  maxInFlight: null,
  rateLimit: null,
  status: 'enabled',
  disabledReason: null,
  breaker: { state: 'closed', openUntil: null },
  healthScore: 100,
  failingSince: null,
  secrets: [{ createdAt: madeAt, expiresAt: null }],
  createdAt: madeAt,
  updatedAt: madeAt,
};

export const rotatedSecret = {
  secret: exampleSecret,
  createdAt: acceptedAt,
  previousExpiresAt: '2026-01-31T13:00:00.000Z',
};

export const event: EventResource = {
  id: exampleId('event'),
  customerId: 'acme',
  type: 'invoice.paid',
  externalId: null,
  timestamp: acceptedAt,
  acceptedAt,
  deliveryCount: 1,
  test: false,
};

export const delivery: DeliveryResource = {
  id: exampleId('delivery'),
  eventId: exampleId('event'),
  endpointId: exampleId('endpoint'),
  customerId: 'acme',
  type: 'invoice.paid',
  status: 'delivered',
  waitingFor: null,
  reason: null,
  attempts: 1,
  expiresAt: '2026-02-04T11:53:35.000Z',
  nextAttemptAt: null,
  lastAttemptAt: triedAt,
  lastResponseCode: 204,
  lastError: null,
  createdAt: acceptedAt,
  finishedAt: '2026-01-31T12:00:00.050Z',
  test: false,
};

/** As a stream tells of it when it was made. */
export const streamedDelivery: StreamedDeliveryResource = {
  id: delivery.id,
  eventId: delivery.eventId,
  endpointId: delivery.endpointId,
  customerId: delivery.customerId,
  type: delivery.type,
  status: 'pending',
  reason: null,
  attempts: 0,
  nextAttemptAt: acceptedAt,
  lastResponseCode: null,
  createdAt: acceptedAt,
  finishedAt: null,
  test: false,
};

/** What a replay of it leaves. */
export const reopenedDelivery: DeliveryResource = {
  ...delivery,
  status: 'pending',
  nextAttemptAt: '2026-01-31T14:00:00.000Z',
  finishedAt: null,
};

export const attempt: AttemptResource = {
  number: 1,
  trigger: 'automatic',
  status: 'delivered',
  responseCode: 204,
  latencyMs: 38,
  error: null,
  request: {
    headers: {
      'content-type': 'application/json',
      'webhook-id': exampleId('event'),
      'webhook-timestamp': '1769860800',
      'webhook-signature': 'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=',
      'x-team': '********',
    },
    body:
      `{"id":"${exampleId('event')}","type":"invoice.paid","timestamp":"${acceptedAt}",` +
      '"data":{"invoice":"in_1042","total":99.50}}',
  },
  response: {
    headers: { date: 'Sat, 31 Jan 2026 12:00:00 GMT' },
    body: '',
    bodyKind: 'text',
    bodyBytes: 0,
    bodyNote: null,
    truncated: false,
  },
  address: '203.0.113.7',
  resent: false,
  startedAt: triedAt,
  nextAttemptAt: null,
};

export const eventType: EventTypeResource = {
  name: 'invoice.paid',
  description: 'An invoice was paid in full.',
  schema: { type: 'object', required: ['invoice'], properties: { invoice: { type: 'string' } } },
  example: { invoice: 'in_1042' },
  archivedAt: null,
  createdAt: madeAt,
  updatedAt: madeAt,
};

export const replay: ReplayResource = {
  id: exampleId('replay'),
  customerId: 'acme',
  endpointId: null,
  status: 'dead_lettered',
  type: 'invoice.paid',
  since: '2026-01-31T00:00:00.000Z',
  until: null,
  state: 'running',
  matched: 1_200,
  done: 480,
  failed: 3,
  remaining: 717,
  createdAt: acceptedAt,
  finishedAt: null,
};

export const apiKey: ApiKeyResource = {
  id: exampleId('apiKey'),
  name: 'billing backend',
  scopes: ['events:write'],
  customerId: null,
  rateLimit: null,
  hint: `phk_${exampleToken.slice(0, 6)}`,
  createdAt: madeAt,
  lastUsedAt: acceptedAt,
};

export const auditEntry: AuditEntryResource = {
  id: exampleId('auditEntry'),
  at: acceptedAt,
  keyId: exampleId('apiKey'),
  portalLinkId: null,
  operation: 'patchEndpoint',
  target: { endpointId: exampleId('endpoint') },
  members: ['url'],
  customerId: 'acme',
  requestId: '6f1c9a52-0d5e-4a53-9a53-0d5e6f1c9a52',
  address: '198.51.100.4',
  userAgent: 'curl/8.5.0',
};

export const portalSession: PortalSessionResource = {
  customerId: 'acme',
  expiresAt: '2026-01-31T13:00:00.000Z',
};

export const statsBucket: StatsBucketResource = {
  startsAt: '2026-01-31T12:00:00.000Z',
  attempts: 1_260,
  successes: 1_204,
  failures: 56,
  latencyMs: { p50: 41, p95: 230 },
  deliveries: { delivered: 1_204, deadLettered: 2, cancelled: 0 },
};
