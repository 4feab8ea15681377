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

export const replayBody = Joi.object<ReplayBody>({
  customerId: customerId.required(),
  endpointId: idInput('endpoint').description('Every endpoint of the customer when left out.'),
  status: status
    .default('dead_lettered')
    .description(
      'Deliveries that are finished in this status. Held ones are released by resuming their endpoint.',
    ),
  type: eventType,
  ...timeBounds('Events accepted'),
  dryRun: Joi.boolean().default(false).description('True: only counts what would be replayed now.'),
});

export const listReplaysQuery = Joi.object<ListReplaysQuery>({
  ...pageFields,
  customerId,
  state: Joi.string()
    .valid(...replayStates)
    .description('Replays that are in this state now.'),
});

const count = Joi.number().integer().min(0).required();

export const replayMatchesResource = Joi.object<ReplayMatchesResource>({
  matched: count.description(
    'Deliveries that match now, at endpoints that are not deleted and of events that are not too old to be sent again.',
  ),
  more: Joi.boolean()
    .required()
    .description('True when the count ended at its bound of 1,000,000 deliveries read: narrow the filter.'),
});

export const replayResource = Joi.object<ReplayResource>({
  id: idText('replay').required(),
  customerId: customerId.required(),
  endpointId: idText('endpoint')
    .allow(null)
    .required()
    .description('The only endpoint; null: every one of the customer.'),
  status: status.required().description('What it opens: deliveries that ended like this.'),
  type: eventType.allow(null).required(),
  since: time.allow(null).required(),
  until: time.allow(null).required(),
  state: Joi.string()
    .valid(...replayStates)
    .required()
    .description('`completed` and `cancelled` are final.'),
  matched: count.description(
    'Deliveries it covers: those that matched when it was made, less those found to have been replayed by someone else.',
  ),
  done: count.description('Delivered by it.'),
  failed: count.description(
    'Ended otherwise after it opened them, or not opened: the event too old, the endpoint deleted.',
  ),
  remaining: count.description(
    'matched - done - failed: not opened yet, or on their way. Of a cancelled one: not counted any more.',
  ),
  createdAt: time.required().description('What finished after this is not replayed.'),
  finishedAt: time.allow(null).required().description('When it was completed or cancelled.'),
});
