import { type ReplayableStatus, replayableStatuses, type ReplayState, replayStates } from '@posthorn/domain';
import { Joi } from './strict-joi.js';

import { customerId, eventType, idInput, idText, time, timeBounds } from './fields.js';
import { pageFields, type PageQuery } from './page.js';

/** Ids are uuids, `since` and `until` milliseconds: the body after validation. */
export interface ReplayBody {
  customerId: string;
  endpointId?: string;
  status: ReplayableStatus;
  type?: string;
  since?: number;
  until?: number;
  dryRun: boolean;
}

export interface ListReplaysQuery extends PageQuery {
  customerId?: string;
  state?: ReplayState;
}

export interface ReplayMatchesResource {
  matched: number;
  more: boolean;
}

export interface ReplayResource {
  id: string;
  customerId: string;
  endpointId: string | null;
  status: ReplayableStatus;
  type: string | null;
  since: string | null;
  until: string | null;
  state: ReplayState;
  matched: number;
  done: number;
  failed: number;
  remaining: number;
  createdAt: string;
  finishedAt: string | null;
}

const status = Joi.string().valid(...replayableStatuses);

export const replayBody = Joi.object<ReplayBody, true>({
  customerId: customerId.required(),
  endpointId: idInput('endpoint').description('Default: every endpoint of the customer.'),
  status: status
    .default('dead_lettered')
    .description('Finished deliveries with this status. To release held deliveries, resume their endpoint.'),
  type: eventType,
  ...timeBounds('Events accepted'),
  dryRun: Joi.boolean().default(false).description('True: only count what would be replayed now.'),
});

export const listReplaysQuery = Joi.object<ListReplaysQuery, true>({
  ...pageFields,
  customerId,
  state: Joi.string()
    .valid(...replayStates)
    .description('Replays in this state.'),
});

const count = Joi.number().integer().min(0).required();

export const replayMatchesResource = Joi.object<ReplayMatchesResource, true>({
  matched: count.description(
    'Deliveries that match now. Those of deleted endpoints, and of events that are too old to be sent again, are not ' +
      'counted.',
  ),
  more: Joi.boolean()
    .required()
    .description('True when counting stopped after it had read 1,000,000 deliveries: narrow the filter.'),
});

export const replayResource = Joi.object<ReplayResource, true>({
  id: idText('replay').required(),
  customerId: customerId.required(),
  endpointId: idText('endpoint')
    .allow(null)
    .required()
    .description('The only endpoint; null: every endpoint of the customer.'),
  status: status.required().description('Status of the deliveries that it opens.'),
  type: eventType.allow(null).required(),
  since: time.allow(null).required(),
  until: time.allow(null).required(),
  state: Joi.string()
    .valid(...replayStates)
    .required()
    .description('`completed` and `cancelled` are final.'),
  matched: count.description(
    'Number of deliveries in the replay: those that matched when it was created, minus those found to be replayed by ' +
      'another request.',
  ),
  done: count.description('Deliveries that it delivered.'),
  failed: count.description(
    'Deliveries that ended otherwise after they were opened, or were not opened because the event is too old or the ' +
      'endpoint is deleted.',
  ),
  remaining: count.description(
    'matched − done − failed: deliveries that are not opened yet, or are pending. In a cancelled replay: those that ' +
      'are no longer counted.',
  ),
  createdAt: time.required().description('Deliveries that finished after this time are not replayed.'),
  finishedAt: time.allow(null).required().description('When it was completed or cancelled.'),
});
