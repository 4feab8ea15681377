import { Joi } from './strict-joi.js';

import { cancelDeliveriesBody, cancelledDeliveriesResource, replayEventBody } from './delivery-changes.js';
import { attemptResource, deliveryResource, listDeliveriesQuery } from './deliveries.js';
import { eventDetailResource, eventResource, listEventsQuery } from './events.js';
import { idInput, noParams, noQuery } from './fields.js';
import { ledgerQuery, ledgerResource } from './ledger.js';
import { lastEventId } from './stream.js';
import { customerParams } from './operations-customers.js';
import { operation } from './operation.js';
import { pageOf, pageQuery } from './page.js';
import { statsBucketsMax, statsQuery, statsResource } from './stats.js';

const group = 'History';

const eventParams = Joi.object<{ eventId: string }>({ eventId: idInput('event').required() });
const deliveryParams = Joi.object<{ deliveryId: string }>({ deliveryId: idInput('delivery').required() });

export const historyOperations = {
  listEvents: operation({
    operationId: 'listEvents',
    method: 'get',
    path: '/v1/events',
    group,
    summary: 'List events',
    description: '`since` (inclusive) and `until` (exclusive) filter by the time of acceptance.',
    params: noParams,
    query: listEventsQuery,
    body: null,
    responses: { 200: { description: 'Newest first.', schema: pageOf(eventResource) } },
    problems: ['invalid_request', 'not_found'],
  }),
  getEvent: operation({
    operationId: 'getEvent',
    method: 'get',
    path: '/v1/events/{eventId}',
    group,
    summary: 'Read an event with its payload and deliveries',
    description: '`data` is the JSON that was received, byte for byte.',
    params: eventParams,
    query: noQuery,
    body: null,
    responses: { 200: { description: 'The event.', schema: eventDetailResource } },
    problems: ['not_found'],
  }),
  listDeliveries: operation({
    operationId: 'listDeliveries',
    method: 'get',
    path: '/v1/deliveries',
    group,
    summary: 'List deliveries',
    description:
      '`since` (inclusive) and `until` (exclusive) filter by the time at which the delivery was created.',
    params: noParams,
    query: listDeliveriesQuery,
    body: null,
    responses: { 200: { description: 'Newest first.', schema: pageOf(deliveryResource) } },
    problems: ['invalid_request', 'not_found'],
  }),
  getDelivery: operation({
    operationId: 'getDelivery',
    method: 'get',
    path: '/v1/deliveries/{deliveryId}',
    group,
    summary: 'Read a delivery',
    description: 'Its current state. Its attempts show how it got there.',
    params: deliveryParams,
    query: noQuery,
    body: null,
    responses: { 200: { description: 'The delivery.', schema: deliveryResource } },
    problems: ['not_found'],
  }),
  listAttempts: operation({
    operationId: 'listAttempts',
    method: 'get',
    path: '/v1/deliveries/{deliveryId}/attempts',
    group,
    summary: 'List a delivery’s attempts',
    description:
      'Request and response of each attempt, and the time of the next one. Values of custom headers are masked.',
    params: deliveryParams,
    query: pageQuery,
    body: null,
    responses: { 200: { description: 'Newest first.', schema: pageOf(attemptResource) } },
    problems: ['invalid_request', 'not_found'],
  }),
  streamDeliveries: operation({
    operationId: 'streamDeliveries',
    method: 'get',
    path: '/v1/customers/{customerId}/stream',
    group,
    summary: 'Watch a customer’s deliveries',
    description:
      'Server-sent events, sent when a change is recorded: `delivery.created`, `delivery.attempted`, and after an ' +
      'attempt that ends its delivery also `delivery.delivered` or `delivery.dead_lettered`. Each has `delivery`, and ' +
      'all but the first have `attempt`. A delivery that ends without an attempt gives `delivery.cancelled`, ' +
      '`delivery.dead_lettered` (expired) or `delivery.delivered` (it was delivered before a replay), with `delivery` ' +
      'only. To resume, send the last `id` as `Last-Event-ID` within an hour. A message can come twice, and `gap` ' +
      'means that some were left out. A comment comes every 15 seconds. A reader that is too slow is disconnected. ' +
      '429: too many streams of this customer are open. 503: too many streams are open in all.',
    params: customerParams,
    query: noQuery,
    headers: { 'Last-Event-ID': lastEventId },
    body: null,
    responses: {
      200: {
        description: 'The stream, until either side ends it or the caller loses access.',
        schema: Joi.string(),
        mediaType: 'text/event-stream',
      },
    },
    problems: ['invalid_request', 'not_found'],
  }),
  replayEvent: operation({
    operationId: 'replayEvent',
    method: 'post',
    path: '/v1/events/{eventId}/replay',
    group,
    summary: 'Send an event to an endpoint',
    description:
      'Also to an endpoint that the event did not match, or that did not exist at that time. If there was no delivery, ' +
      'one is created; otherwise it is replayed. A delivery that is already due is left as it is.',
    params: eventParams,
    query: noQuery,
    body: replayEventBody,
    example: { endpointId: 'ep_01h455vb4pex5vsknk084sn02q' },
    responses: { 200: { description: 'The delivery after the change.', schema: deliveryResource } },
    problems: ['invalid_request', 'not_found', 'conflict'],
  }),
  replayDelivery: operation({
    operationId: 'replayDelivery',
    method: 'post',
    path: '/v1/deliveries/{deliveryId}/replay',
    group,
    summary: 'Replay a delivery',
    description:
      'A finished delivery is opened again with all attempts of its retry policy. The `webhook-id` stays the same, and ' +
      'attempts are numbered on from the last one. A delivery that was delivered before ends as delivered, also if the ' +
      'replay fails. A delivery that waits for a retry is sent at once. One that is due gets 409, because it is being ' +
      'sent or is about to be. If the endpoint is paused or disabled, the delivery is held.',
    params: deliveryParams,
    query: noQuery,
    body: null,
    responses: { 200: { description: 'The delivery after the change.', schema: deliveryResource } },
    problems: ['not_found', 'conflict', 'delivery_in_flight'],
  }),
  cancelDelivery: operation({
    operationId: 'cancelDelivery',
    method: 'post',
    path: '/v1/deliveries/{deliveryId}/cancel',
    group,
    summary: 'Cancel an unfinished delivery',
    description:
      'An attempt that is in flight is still recorded; if it succeeds, the delivery becomes delivered. The replay of a ' +
      'delivered one ends as delivered.',
    params: deliveryParams,
    query: noQuery,
    body: null,
    responses: { 200: { description: 'The delivery after the change.', schema: deliveryResource } },
    problems: ['not_found', 'conflict'],
  }),
  cancelDeliveries: operation({
    operationId: 'cancelDeliveries',
    method: 'post',
    path: '/v1/deliveries/cancel',
    group,
    summary: 'Cancel unfinished deliveries by filter',
    description:
      '`since` (inclusive) and `until` (exclusive) filter by the time of the event. A request cancels at most 20,000. ' +
      'With `dryRun` it only counts. A process runs one dry run per customer at a time and lets five wait: more get ' +
      '429, and 503 when too many wait in all.',
    params: noParams,
    query: noQuery,
    body: cancelDeliveriesBody,
    example: { customerId: 'acme', status: 'held' },
    responses: {
      200: {
        description: 'Number of matching and of cancelled deliveries.',
        schema: cancelledDeliveriesResource,
      },
    },
    problems: ['invalid_request', 'not_found'],
  }),
  getLedger: operation({
    operationId: 'getLedger',
    method: 'get',
    path: '/v1/ledger',
    group,
    summary: 'Read the ledger',
    description:
      'At any time, accepted = delivered + pending + held + deadLettered + cancelled. `since` (inclusive) and `until` ' +
      '(exclusive) filter by the time at which events were accepted. Every request counts again: set bounds on a long ' +
      'history. A process counts for one request per customer at a time and lets five wait: more get 429, and 503 when ' +
      'too many wait in all.',
    params: noParams,
    query: ledgerQuery,
    body: null,
    responses: { 200: { description: 'The counts.', schema: ledgerResource } },
    problems: ['invalid_request', 'not_found'],
  }),
  getStats: operation({
    operationId: 'getStats',
    method: 'get',
    path: '/v1/stats',
    group,
    summary: 'Read statistics for charts',
    description:
      'Attempts, their latency, and finished deliveries by minute, hour or day. They are counted in the background: ' +
      'attempts of the last few seconds, and those recorded late, are added to their bucket soon after. They are kept as ' +
      `long as events. A response has at most ${statsBucketsMax} buckets. For more than one endpoint a process reads one ` +
      'response per customer at a time and lets five wait: more get 429, and 503 when too many wait in all.',
    params: noParams,
    query: statsQuery,
    body: null,
    responses: { 200: { description: 'The buckets.', schema: statsResource } },
    problems: ['invalid_request', 'not_found'],
  }),
} as const;
