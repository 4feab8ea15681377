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
    description: '`since` (inclusive) and `until` (exclusive) bound the time of acceptance.',
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
    description: '`since` (inclusive) and `until` (exclusive) bound the time at which the delivery was made.',
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
    description: 'Its state now; its attempts tell how it came there.',
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
      'What was sent, what came back, and when the next one is due. Values of custom headers are masked.',
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
      'Server-sent events, as things are recorded: `delivery.created`, `delivery.attempted`, and behind an attempt that ends ' +
      'its delivery `delivery.delivered` or `delivery.dead_lettered`, each with `delivery` and, but for the first, ' +
      '`attempt`; what ends without an attempt is told by `delivery.cancelled`, `delivery.dead_lettered` (expired) or ' +
      '`delivery.delivered` (once before), with `delivery` only. Send the last `id` as `Last-Event-ID` to go on from there, ' +
      'up to an hour later; a message can come twice, and `gap` says that some were left out. A comment comes every 15 ' +
      'seconds. A reader that is too slow is cut off. 429: too many streams of this customer are open, 503: of all.',
    params: customerParams,
    query: noQuery,
    headers: { 'Last-Event-ID': lastEventId },
    body: null,
    responses: {
      200: {
        description: 'The stream, until either side ends it or the caller may not see it any more.',
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
      'Also to an endpoint that the event did not match or that did not exist then. The delivery is made if there was ' +
      'none; otherwise it is replayed. One that is due already is left as it is.',
    params: eventParams,
    query: noQuery,
    body: replayEventBody,
    example: { endpointId: 'ep_01h455vb4pex5vsknk084sn02q' },
    responses: { 200: { description: 'The delivery as it is now.', schema: deliveryResource } },
    problems: ['invalid_request', 'not_found', 'conflict'],
  }),
  replayDelivery: operation({
    operationId: 'replayDelivery',
    method: 'post',
    path: '/v1/deliveries/{deliveryId}/replay',
    group,
    summary: 'Replay a delivery',
    description:
      'A finished one opens again with a fresh budget; the `webhook-id` stays, attempts are numbered on, and one that was ' +
      'delivered ends as delivered however the replay goes. One that waits is brought forward. One that is due is being ' +
      'sent or about to be: 409. Where the endpoint is paused or disabled it is held.',
    params: deliveryParams,
    query: noQuery,
    body: null,
    responses: { 200: { description: 'The delivery as it is now.', schema: deliveryResource } },
    problems: ['not_found', 'conflict', 'delivery_in_flight'],
  }),
  cancelDelivery: operation({
    operationId: 'cancelDelivery',
    method: 'post',
    path: '/v1/deliveries/{deliveryId}/cancel',
    group,
    summary: 'Cancel an unfinished delivery',
    description:
      'An attempt that is on its way is recorded all the same, and its success makes the delivery delivered. ' +
      'The replay of a delivered one ends as delivered.',
    params: deliveryParams,
    query: noQuery,
    body: null,
    responses: { 200: { description: 'The delivery as it is now.', schema: deliveryResource } },
    problems: ['not_found', 'conflict'],
  }),
  cancelDeliveries: operation({
    operationId: 'cancelDeliveries',
    method: 'post',
    path: '/v1/deliveries/cancel',
    group,
    summary: 'Cancel unfinished deliveries by filter',
    description:
      '`since` (inclusive) and `until` (exclusive) bound the time of the event. At most 20,000 per call. With `dryRun` it ' +
      'only counts. One dry run of a customer is counted at a time in a process, and five wait: 429 for more, 503 when ' +
      'too many wait in all.',
    params: noParams,
    query: noQuery,
    body: cancelDeliveriesBody,
    example: { customerId: 'acme', status: 'held' },
    responses: {
      200: {
        description: 'How many match, and how many were cancelled.',
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
      'accepted = delivered + pending + held + deadLettered + cancelled, at any time. `since` (inclusive) and `until` ' +
      '(exclusive) bound the time at which events were accepted. Counted anew for every request: give bounds on a long history. ' +
      'One of a customer is counted at a time in a process, and five wait: 429 for more, 503 when too many wait in all.',
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
      'Attempts, their latency, and ends of deliveries by minute, hour or day. Counted in the background: what happened ' +
      'in the last few seconds, or is recorded late, is added to its bucket when it is read. Kept as long as events. ' +
      `At most ${statsBucketsMax} buckets per answer. Of more than one endpoint, one answer for a customer is read at a ` +
      'time in a process, and five wait: 429 for more, 503 when too many wait in all.',
    params: noParams,
    query: statsQuery,
    body: null,
    responses: { 200: { description: 'The buckets.', schema: statsResource } },
    problems: ['invalid_request', 'not_found'],
  }),
} as const;
