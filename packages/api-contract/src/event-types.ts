import { eventType, text, time } from './fields.js';
import { pageFields, type PageQuery } from './page.js';
import { Joi } from './strict-joi.js';

/** PUT replaces: what is left out is reset. */
export interface PutEventTypeBody {
  description?: string | null;
  schema?: Record<string, unknown> | boolean | null;
  example?: unknown;
  archived: boolean;
}

export interface ListEventTypesQuery extends PageQuery {
  archived?: boolean;
}

export interface EventTypeResource {
  name: string;
  description: string | null;
  schema: Record<string, unknown> | boolean | null;
  example: unknown;
  archivedAt: string | null;
  createdAt: string;
  updatedAt: string;
}

const schema = Joi.alternatives(Joi.object().unknown(), Joi.boolean())
  .messages({ 'alternatives.types': '{{#label}} must be a JSON Schema: an object, true or false' })
  .description(
    'A JSON Schema (2020-12) for `data`. An event that does not match it is refused with 422. `pattern` and ' +
      '`patternProperties` are checked in linear time, so lookarounds, backreferences and repeats above 1000 are not ' +
      'allowed. A reference can only point into the schema itself; `format` is checked. Numbers are compared as ' +
      'doubles. The schema has at most 64 KiB and 100 levels; the checked `data` has at most 100 levels too.',
  );
const example = Joi.any().description(
  'An example of `data`. It must match the schema and have at most 100 levels.',
);

export const putEventTypeBody = Joi.object<PutEventTypeBody>({
  description: text(2_000).allow(null, '').description('For people.'),
  schema: schema.allow(null),
  example: example.allow(null),
  archived: Joi.boolean()
    .default(false)
    .description(
      'True: the portal does not list the type. Its events are still accepted, checked and delivered.',
    ),
});

export const listEventTypesQuery = Joi.object<ListEventTypesQuery, true>({
  ...pageFields,
  archived: Joi.boolean().description('True: archived types only. False: the others only. Default: all.'),
});

export const eventTypeResource = Joi.object<EventTypeResource>({
  name: eventType.required(),
  description: Joi.string().allow(null, '').required().description('For people.'),
  schema: schema.allow(null).required(),
  example: example.allow(null).required(),
  archivedAt: time.allow(null).required().description('When it was archived; null: it is not archived.'),
  createdAt: time.required(),
  updatedAt: time.required(),
});
