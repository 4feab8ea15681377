import { eventTypeResource, listEventTypesQuery, putEventTypeBody } from './event-types.js';
import { eventType, noParams, noQuery, producerEventType } from './fields.js';
import { operation } from './operation.js';
import { pageOf } from './page.js';
import { Joi } from './strict-joi.js';

const group = 'Event types';

const newEventTypeParams = Joi.object<{ name: string }>({ name: producerEventType.required() });
const eventTypeParams = Joi.object<{ name: string }>({ name: eventType.required() });

export const eventTypeOperations = {
  putEventType: operation({
    operationId: 'putEventType',
    method: 'put',
    path: '/v1/event-types/{name}',
    group,
    summary: 'Create or replace an event type',
    description:
      'Members that the body leaves out are reset, including `archived`. A new schema applies to events within a ' +
      'second. An event is not checked if its type has no entry or no schema. Archive a type to hide it from the ' +
      'portal: events of this type are still accepted.',
    idMayBeNew: true,
    params: newEventTypeParams,
    query: noQuery,
    body: putEventTypeBody,
    bodyOptional: true,
    example: {
      description: 'An invoice was paid in full.',
      schema: { type: 'object', required: ['invoice'], properties: { invoice: { type: 'string' } } },
      example: { invoice: 'in_1042' },
    },
    responses: {
      200: { description: 'Replaced.', schema: eventTypeResource },
      201: { description: 'Created.', schema: eventTypeResource },
    },
    problems: ['invalid_request', 'unprocessable'],
  }),
  listEventTypes: operation({
    operationId: 'listEventTypes',
    method: 'get',
    path: '/v1/event-types',
    group,
    summary: 'List the event types of the catalogue',
    description:
      'Events of types that are not listed are accepted too. A portal session gets the types that are not archived.',
    params: noParams,
    query: listEventTypesQuery,
    body: null,
    responses: { 200: { description: 'Newest first.', schema: pageOf(eventTypeResource) } },
    problems: ['invalid_request'],
  }),
  getEventType: operation({
    operationId: 'getEventType',
    method: 'get',
    path: '/v1/event-types/{name}',
    group,
    summary: 'Read an event type',
    description: 'With its schema and its example, as they were sent.',
    params: eventTypeParams,
    query: noQuery,
    body: null,
    responses: { 200: { description: 'The event type.', schema: eventTypeResource } },
    problems: ['not_found'],
  }),
  deleteEventType: operation({
    operationId: 'deleteEventType',
    method: 'delete',
    path: '/v1/event-types/{name}',
    group,
    summary: 'Delete an event type from the catalogue',
    description:
      'Events of this type and endpoints that filter by it stay. New events of this type are accepted without a check. ' +
      'The name can be used again.',
    params: eventTypeParams,
    query: noQuery,
    body: null,
    responses: { 204: { description: 'Deleted.' } },
    problems: ['not_found'],
  }),
} as const;
