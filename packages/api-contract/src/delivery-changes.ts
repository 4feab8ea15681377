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

export const cancelDeliveriesBody = Joi.object<CancelDeliveriesBody>({
  customerId: customerId.required(),
  endpointId: idInput('endpoint'),
  type: eventType,
  status: Joi.string().valid('pending', 'held').description('Both when left out.'),
  ...timeBounds('Deliveries of events accepted'),
  dryRun: Joi.boolean().default(false).description('True: only counts what would be cancelled now.'),
});

export const cancelledDeliveriesResource = Joi.object<CancelledDeliveriesResource>({
  matched: Joi.number().integer().min(0).required().description('Deliveries found that match.'),
  cancelled: Joi.number()
    .integer()
    .min(0)
    .required()
    .description('How many of them were cancelled; 0 in a dry run.'),
  more: Joi.boolean()
    .required()
    .description(
      'True when the call ended at its bound. It cancels at most 20,000: call again for the rest. A dry run reads at most ' +
        '1,000,000 deliveries: narrow the filter.',
    ),
});

export const replayEventBody = Joi.object<ReplayEventBody>({
  endpointId: idInput('endpoint').required().description('An endpoint of the event’s customer.'),
});

export interface ResumeEndpointBody {
  held: 'release' | 'cancel';
}

export const resumeEndpointBody = Joi.object<ResumeEndpointBody>({
  held: Joi.string()
    .valid('release', 'cancel')
    .default('release')
    .description('What becomes of the deliveries it holds: sent, or cancelled.'),
});
