import type { OperationId } from '../permissions.js';
import { exampleParameters } from './parameters.js';
import {
  apiKey,
  attempt,
  auditEntry,
  customer,
  delivery,
  endpoint,
  event,
  eventType,
  exampleId,
  exampleSecret,
  exampleToken,
  portalSession,
  reopenedDelivery,
  replay,
  rotatedSecret,
  statsBucket,
  streamedDelivery,
} from './resources.js';

const page = (item: unknown) => ({ data: [item], nextCursor: null });

/** An example of every successful answer that has a body, by status. An operation without a row does not compile. */
export const exampleAnswers: Readonly<Record<OperationId, Readonly<Record<number, unknown>>>> = {
  createEvent: {
    202: {
      id: event.id,
      customerId: event.customerId,
      type: event.type,
      timestamp: event.timestamp,
      deliveries: 1,
    },
  },
  createEvents: {
    202: {
      results: [
        { status: 202, id: event.id },
        { status: 404, code: 'not_found', detail: 'There is no customer with this id.' },
      ],
    },
  },

  deliverWebhook: { 202: { id: delivery.id, status: 'pending' } },
  getWebhookStatus: {
    200: {
      id: delivery.id,
      url: 'https://example.com/callbacks/42',
      status: 'pending',
      reason: null,
      attempts: 1,
      lastAttemptAt: delivery.lastAttemptAt,
      nextAttemptAt: '2026-01-31T12:00:05.000Z',
      deliveredAt: null,
      error: { code: 'http_error', message: 'The endpoint answered 503.' },
    },
  },
  getOneShotSecret: { 200: { secrets: endpoint.secrets } },
  rotateOneShotSecret: { 200: rotatedSecret },

  putCustomer: { 200: customer, 201: customer },
  listCustomers: { 200: page(customer) },
  getCustomer: { 200: customer },
  eraseCustomer: {
    200: {
      customerId: customer.id,
      erasedAt: '2026-01-31T15:00:00.000Z',
      removed: { endpoints: 2, events: 1_204, deliveries: 2_408, attempts: 2_466 },
    },
  },

  createEndpoint: { 201: { ...endpoint, secret: exampleSecret } },
  listEndpoints: { 200: page(endpoint) },
  getEndpoint: { 200: endpoint },
  patchEndpoint: { 200: { ...endpoint, eventTypes: ['*'] } },
  deleteEndpoint: {},
  pauseEndpoint: { 200: { ...endpoint, status: 'paused' } },
  resumeEndpoint: { 200: endpoint },
  enableEndpoint: { 200: endpoint },
  testEndpoint: {
    200: { deliveryId: delivery.id, ...attempt, trigger: 'test' },
    202: { deliveryId: delivery.id, status: 'pending' },
  },
  rotateSecret: { 200: rotatedSecret },
  verifySignature: {
    200: {
      valid: false,
      reason: 'no_matching_signature',
      detail: 'No signature in webhook-signature was made with a secret of the endpoint.',
    },
  },

  putEventType: { 200: eventType, 201: eventType },
  deleteEventType: {},
  listEventTypes: { 200: page(eventType) },
  getEventType: { 200: eventType },

  listEvents: { 200: page(event) },
  getEvent: { 200: { ...event, data: { invoice: 'in_1042', total: 99.5 }, deliveries: [delivery] } },
  listDeliveries: { 200: page(delivery) },
  getDelivery: { 200: delivery },
  listAttempts: { 200: page(attempt) },
  replayEvent: { 200: reopenedDelivery },
  replayDelivery: { 200: reopenedDelivery },
  cancelDelivery: { 200: { ...delivery, status: 'cancelled', reason: 'cancelled' } },
  cancelDeliveries: { 200: { matched: 42, cancelled: 42, more: false } },
  streamDeliveries: {
    200: [
      'retry: 2000',
      '',
      'event: delivery.created',
      `data: ${JSON.stringify({ delivery: streamedDelivery })}`,
      '',
      `id: ${String(exampleParameters['Last-Event-ID'])}`,
      '',
      ': heartbeat',
      `id: ${String(exampleParameters['Last-Event-ID'])}`,
      '',
      '',
    ].join('\n'),
  },
  getLedger: {
    200: {
      accepted: 2_408,
      delivered: 2_380,
      pending: 20,
      held: 0,
      deadLettered: 6,
      cancelled: 2,
      unmatchedEvents: 11,
    },
  },
  getStats: {
    200: {
      bucket: 'hour',
      since: '2026-01-31T12:00:00.000Z',
      until: '2026-01-31T13:00:00.000Z',
      countedUntil: '2026-01-31T12:41:58.000Z',
      data: [statsBucket],
    },
  },

  createReplay: {
    200: { matched: replay.matched, more: false },
    201: { ...replay, done: 0, failed: 0, remaining: 1_200 },
  },
  listReplays: { 200: page(replay) },
  getReplay: { 200: replay },
  pauseReplay: { 200: { ...replay, state: 'paused' } },
  resumeReplay: { 200: replay },
  cancelReplay: { 200: { ...replay, state: 'cancelled', finishedAt: '2026-01-31T12:05:00.000Z' } },

  createApiKey: { 201: { ...apiKey, lastUsedAt: null, key: `phk_${exampleToken}` } },
  listApiKeys: { 200: page(apiKey) },
  patchApiKey: { 200: { ...apiKey, rateLimit: { max: 10, perSeconds: 1 } } },
  revokeApiKey: {},
  listAuditEntries: { 200: page(auditEntry) },

  createPortalLink: {
    201: {
      id: exampleId('portalLink'),
      url: `https://hooks.example.com/portal#token=phl_${exampleToken}`,
      expiresAt: '2026-01-31T12:15:00.000Z',
    },
  },
  revokePortalLinks: {},
  openPortalSession: { 201: { ...portalSession, token: `phs_${exampleToken}` } },
  getPortalSession: { 200: portalSession },
  endPortalSession: {},

  getHealth: { 200: { status: 'ok' } },
  getReady: {
    200: {
      status: 'ready',
      checks: {
        postgres: { ok: true, required: true, latencyMs: 1.2 },
        migrations: { ok: true, required: true, latencyMs: 1.4 },
        redis: { ok: true, required: false, latencyMs: 0.4 },
      },
    },
    503: {
      status: 'not_ready',
      checks: {
        postgres: { ok: false, required: true, latencyMs: 2_000, detail: 'no answer within 2000 ms' },
        redis: { ok: true, required: false, latencyMs: 0.4 },
      },
    },
  },
  getOpenApi: {},
  getDocs: {},
};
