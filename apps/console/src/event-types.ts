import {
  compileEventSchema,
  type EventTypeResource,
  isNestedDeeper,
  nestingMax,
  operations,
} from '@posthorn/api-contract';
import type { EventType, EventTypeStore } from '@posthorn/database';
import { AppError, mountOperation, notFound } from '@posthorn/http';
import type { RequestHandler, Router } from 'express';
import { eventTypeCursor, pageResource, readCursor } from './cursor.js';

export interface EventTypesDeps {
  authentication: RequestHandler;
  eventTypes: EventTypeStore;
}

/** The catalogue of event types. */
export function mountEventTypes(router: Router, { authentication, eventTypes }: EventTypesDeps): void {
  mountOperation(router, operations.putEventType, authentication, async ({ params, body }) => {
    const { description = null, schema = null, example = null, archived } = body;
    requireShallow(example);
    requireFit(schema, example);
    const { created, eventType } = await eventTypes.put(params.name, {
      description,
      schema,
      example,
      archived,
    });
    return { status: created ? 201 : 200, body: eventTypeResource(eventType) };
  });

  mountOperation(router, operations.listEventTypes, authentication, async ({ query, caller }) => {
    const before = readCursor(eventTypeCursor, query.cursor);
    // What is archived is offered to no customer.
    const archived = caller.kind === 'portal' ? false : (query.archived ?? null);
    const page = await eventTypes.list({ limit: query.limit, before, archived });
    return { status: 200, body: pageResource(eventTypeCursor, page, eventTypeResource) };
  });

  mountOperation(router, operations.getEventType, authentication, async ({ params }) => {
    const eventType = await eventTypes.get(params.name);
    if (!eventType) throw notFound();
    return { status: 200, body: eventTypeResource(eventType) };
  });

  mountOperation(router, operations.deleteEventType, authentication, async ({ params }) => {
    if (!(await eventTypes.delete(params.name))) throw notFound();
    return { status: 204 };
  });
}

function requireShallow(example: unknown): void {
  if (!isNestedDeeper(example, nestingMax)) return;
  throw new AppError({
    code: 'unprocessable',
    detail: 'The example cannot be used.',
    errors: [{ path: 'example', message: `"example" is nested too deeply: more than ${nestingMax} levels` }],
  });
}

/** The schema is one, and the example fits it. */
function requireFit(schema: unknown, example: unknown): void {
  if (schema === null) return;
  const compiled = compileEventSchema(schema);
  if (!compiled.ok) {
    const path = compiled.path === '' ? 'schema' : `schema.${compiled.path}`;
    throw new AppError({
      code: 'unprocessable',
      detail: 'The schema cannot be used.',
      errors: [{ path, message: `the JSON Schema (draft 2020-12) cannot be used: ${compiled.message}` }],
    });
  }
  const errors = example === null ? [] : compiled.check(example);
  if (errors.length === 0) return;
  throw new AppError({
    code: 'unprocessable',
    detail: 'The example does not fit the schema.',
    errors: errors.map(({ path, message }) => ({ path: path.replace(/^data/, 'example'), message })),
  });
}

function eventTypeResource(eventType: EventType): EventTypeResource {
  const { name, description, schema, example, archivedAt, createdAt, updatedAt } = eventType;
  return {
    name,
    description,
    // Only what putEventType has let through is stored.
    schema: schema as EventTypeResource['schema'],
    example,
    archivedAt: archivedAt?.toISOString() ?? null,
    createdAt: createdAt.toISOString(),
    updatedAt: updatedAt.toISOString(),
  };
}
