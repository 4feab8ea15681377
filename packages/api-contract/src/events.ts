import { Joi } from './strict-joi.js';

import { allowedForm } from './allowed-form.js';
import { type DeliveryResource, deliveryResource } from './deliveries.js';
import {
  customerId,
  eventType,
  idText,
  producerEventType,
  text,
  time,
  timeBounds,
  timestampInput,
} from './fields.js';
import { pageFields, type PageQuery } from './page.js';
import { problemCodes, type FieldError, type ProblemCode } from './problem.js';

const batchEventsMax = 1_000;
export const batchBytesMax = 5 * 1024 * 1024;

/** One event as a producer writes it, `timestamp` in milliseconds after validation. */
export interface EventInput {
  customerId: string;
  type: string;
  data: unknown;
  externalId?: string;
  timestamp?: number;
}

export interface AcceptedEventResource {
  id: string;
  customerId: string;
  type: string;
  timestamp: string;
  deliveries: number;
}

export type BatchItemResource =
  { status: 202; id: string } | { status: number; code: ProblemCode; detail: string; errors?: FieldError[] };

/** `since` and `until` are milliseconds and bound the time of acceptance: the query after validation. */
export interface ListEventsQuery extends PageQuery {
  customerId?: string;
  type?: string;
  since?: number;
  until?: number;
}

export interface EventResource {
  id: string;
  customerId: string;
  type: string;
  externalId: string | null;
  /** The producer's own time, or the time of acceptance. */
  timestamp: string;
  acceptedAt: string;
  deliveryCount: number;
  test: boolean;
}

/** `data` must be written as the raw text that was received, not parsed and serialised again. */
export interface EventDetailResource extends EventResource {
  data: unknown;
  deliveries: DeliveryResource[];
}

/** 1 to 255 printable ASCII characters. */
export const idempotencyKey = allowedForm(
  Joi.string()
    .max(255)
    .pattern(/^[\x20-\x7e]+$/)
    .description(
      'A repeated request with the same key within the window gets the first response and creates nothing.',
    ),
  'must be 1 to 255 printable ASCII characters, such as "order-17"',
).label('Idempotency-Key');

export const eventInput = Joi.object<EventInput>({
  customerId: customerId.required(),
  type: producerEventType.required(),
  data: Joi.any().required().description('Any JSON value, stored and sent as the bytes that were received.'),
  externalId: text(255).description(
    'The producer’s id of the event. It makes the request idempotent, as the header does.',
  ),
  timestamp: timestampInput().description(
    'The producer’s time of the event. Default: the time of acceptance.',
  ),
});

/** The shape of the whole; items are checked one by one, so that a bad one does not refuse the others. */
export const batchBody = Joi.object<{ events: unknown[] }>({
  events: Joi.array().items(Joi.any()).min(1).max(batchEventsMax).required(),
});

/** As documented: what each item must be. */
export const documentedBatchBody = Joi.object<{ events: EventInput[] }>({
  events: Joi.array()
    .items(eventInput)
    .min(1)
    .max(batchEventsMax)
    .required()
    .description('The events, each as in a single request.'),
});

export const acceptedEventResource = Joi.object<AcceptedEventResource, true>({
  id: idText('event').required(),
  customerId: customerId.required(),
  type: eventType.required(),
  timestamp: time.required(),
  deliveries: Joi.number().integer().min(0).required().description('Number of endpoints that it is sent to.'),
});

const batchItem = Joi.alternatives(
  Joi.object({
    status: Joi.number().valid(202).required().description('The event was accepted.'),
    id: idText('event').required(),
  }),
  Joi.object({
    status: Joi.number().integer().min(400).max(599).required().description('The event was refused.'),
    code: Joi.string()
      .valid(...Object.keys(problemCodes))
      .required()
      .description('The reason, as in a problem document.'),
    detail: Joi.string().required().description('Text for people. It may change.'),
    errors: Joi.array()
      .items(
        Joi.object({
          path: Joi.string().allow('').required().description('Dotted path; empty for the whole value.'),
          message: Joi.string().required().description('What is wrong at this path.'),
        }),
      )
      .description('The errors in the event.'),
  }),
);

export const batchResource = Joi.object<{ results: BatchItemResource[] }>({
  results: Joi.array().items(batchItem).required().description('In the order of the request.'),
});

export const listEventsQuery = Joi.object<ListEventsQuery, true>({
  ...pageFields,
  customerId,
  type: eventType,
  ...timeBounds('Events accepted'),
});

export const eventResource = Joi.object<EventResource, true>({
  id: idText('event').required(),
  customerId: customerId.required(),
  type: eventType.required(),
  externalId: Joi.string().allow(null).required().description('The producer’s id of the event.'),
  timestamp: time.required(),
  acceptedAt: time.required(),
  deliveryCount: Joi.number()
    .integer()
    .min(0)
    .required()
    .description('Number of endpoints that it is sent to.'),
  test: Joi.boolean().required().description('True for a test of an endpoint.'),
});

export const eventDetailResource = eventResource.append<EventDetailResource>({
  data: Joi.any().required().description('The raw JSON that was received.'),
  deliveries: Joi.array().items(deliveryResource).required().description('One for each endpoint.'),
});
