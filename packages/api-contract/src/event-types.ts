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
    'A JSON Schema (2020-12) for `data`. Where it is set, an event that does not fit is refused with 422. ' +
      '`pattern` and `patternProperties` are checked in linear time, so they take no lookarounds, no backreferences and no ' +
      'repeats above 1000; references lead to the schema itself only; `format` is checked. Numbers are compared as doubles. ' +
      'At most 64 KiB, nested at most 100 levels deep; so may be the `data` that is checked.',
  );
const example = Joi.any().description(
  'An example of `data`; it has to fit the schema, and may be nested at most 100 levels deep.',
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

export const listEventTypesQuery = Joi.object<ListEventTypesQuery>({
  ...pageFields,
  archived: Joi.boolean().description('Those that are archived, or those that are not; all when left out.'),
});

export const eventTypeResource = Joi.object<EventTypeResource>({
  name: eventType.required(),
  description: Joi.string().allow(null, '').required().description('For people.'),
  schema: schema.allow(null).required(),
  example: example.allow(null).required(),
  archivedAt: time.allow(null).required().description('Since when it is archived; null: it is not.'),
  createdAt: time.required(),
  updatedAt: time.required(),
});
