import { Joi } from './strict-joi.js';

import { customerId, idInput, timeBounds } from './fields.js';

/** `endpointId` is a uuid, `since` and `until` milliseconds: the query after validation. */
export interface LedgerQuery {
  customerId?: string;
  endpointId?: string;
  since?: number;
  until?: number;
}

export interface LedgerResource {
  accepted: number;
  delivered: number;
  pending: number;
  held: number;
  deadLettered: number;
  cancelled: number;
  unmatchedEvents: number | null;
}

export const ledgerQuery = Joi.object<LedgerQuery, true>({
  customerId,
  endpointId: idInput('endpoint'),
  ...timeBounds('Of events accepted'),
});

const count = Joi.number().integer().min(0).required();

export const ledgerResource = Joi.object<LedgerResource, true>({
  accepted: count.description(
    'All deliveries: the fan-out counts stored with the events, and those added by replays. With a filter by ' +
      'endpoint: the deliveries of the endpoint.',
  ),
  delivered: count.description('Delivered deliveries.'),
  pending: count.description('Deliveries that are not finished.'),
  held: count.description('Deliveries of endpoints that are paused or disabled.'),
  deadLettered: count.description('Not retried any more.'),
  cancelled: count.description('Cancelled, also because the endpoint was deleted.'),
  unmatchedEvents: Joi.number()
    .integer()
    .min(0)
    .allow(null)
    .required()
    .description('Events without a delivery; null with a filter by endpoint.'),
});
