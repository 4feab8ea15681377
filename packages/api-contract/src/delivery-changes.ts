import { Joi } from './strict-joi.js';

import { customerId, eventType, idInput, timeBounds } from './fields.js';

/** Ids are uuids, `since` and `until` milliseconds: the body after validation. */
export interface CancelDeliveriesBody {
  customerId: string;
  endpointId?: string;
  type?: string;
  status?: 'pending' | 'held';
  since?: number;
  until?: number;
  dryRun: boolean;
}

export interface CancelledDeliveriesResource {
  matched: number;
  cancelled: number;
  more: boolean;
}

export interface ReplayEventBody {
  endpointId: string;
}

export const cancelDeliveriesBody = Joi.object<CancelDeliveriesBody, true>({
  customerId: customerId.required(),
  endpointId: idInput('endpoint'),
  type: eventType,
  status: Joi.string().valid('pending', 'held').description('Default: both.'),
  ...timeBounds('Deliveries of events accepted'),
  dryRun: Joi.boolean().default(false).description('True: only count what would be cancelled now.'),
});

export const cancelledDeliveriesResource = Joi.object<CancelledDeliveriesResource, true>({
  matched: Joi.number()
    .integer()
    .min(0)
    .required()
    .description('Number of matching deliveries that were found.'),
  cancelled: Joi.number()
    .integer()
    .min(0)
    .required()
    .description('Number of cancelled deliveries; 0 in a dry run.'),
  more: Joi.boolean()
    .required()
    .description(
      'True when the request stopped at its limit. It cancels at most 20,000: send it again for the rest. A dry run ' +
        'reads at most 1,000,000 deliveries: narrow the filter.',
    ),
});

export const replayEventBody = Joi.object<ReplayEventBody, true>({
  endpointId: idInput('endpoint').required().description('An endpoint of the event’s customer.'),
});

export interface ResumeEndpointBody {
  held: 'release' | 'cancel';
}

export const resumeEndpointBody = Joi.object<ResumeEndpointBody, true>({
  held: Joi.string()
    .valid('release', 'cancel')
    .default('release')
    .description('Whether held deliveries are sent (`release`) or cancelled.'),
});
