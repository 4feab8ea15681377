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

export const ledgerQuery = Joi.object<LedgerQuery>({
  customerId,
  endpointId: idInput('endpoint'),
  ...timeBounds('Of events accepted'),
});

const count = Joi.number().integer().min(0).required();

export const ledgerResource = Joi.object<LedgerResource>({
  accepted: count.description(
    'Deliveries promised: the fan-out counts stored with the events, and what replays added. Of one endpoint: its deliveries.',
  ),
  delivered: count.description('Of those, delivered.'),
  pending: count.description('On their way.'),
  held: count.description('Their endpoint is paused or disabled.'),
  deadLettered: count.description('Not tried again by themselves.'),
  cancelled: count.description('Cancelled, or their endpoint was deleted.'),
  unmatchedEvents: Joi.number()
    .integer()
    .min(0)
    .allow(null)
    .required()
    .description('Events without a delivery; null for one endpoint.'),
});
