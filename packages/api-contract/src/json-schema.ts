import type Joi from 'joi';

import { dateTimePattern } from './timestamp.js';

/** JSON Schema 2020-12, as OpenAPI 3.1 uses it; the members that our schemas produce. */
export interface JsonSchema {
  $ref?: string;
  type?: string | readonly string[];
  description?: string;
  format?: string;
  pattern?: string;
  enum?: readonly unknown[];
  const?: unknown;
  default?: unknown;
  minimum?: number;
  maximum?: number;
  minLength?: number;
  maxLength?: number;
  minItems?: number;
  maxItems?: number;
  uniqueItems?: boolean;
  minProperties?: number;
  maxProperties?: number;
  properties?: Readonly<Record<string, JsonSchema>>;
  required?: readonly string[];
  additionalProperties?: boolean | JsonSchema;
  patternProperties?: Readonly<Record<string, JsonSchema>>;
  items?: JsonSchema;
  anyOf?: readonly JsonSchema[];
  not?: JsonSchema;
  propertyNames?: JsonSchema;
}

/** By joi's own converter; custom rules do not show, so schemas that have some describe them in words. */
export function jsonSchemaOf(schema: Joi.Schema): JsonSchema {
  return tidy(schema['~standard'].jsonSchema.input({ target: 'draft-2020-12' }));
}

/** With every occurrence of a component replaced by a reference to it; not the component `within` itself. */
export function withReferences(
  schema: JsonSchema,
  components: Readonly<Record<string, JsonSchema>>,
  within?: string,
): JsonSchema {
  const names = new Map(Object.entries(components).map(([name, component]) => [identity(component), name]));
  const refer = (part: JsonSchema): JsonSchema => {
    const name = names.get(identity(part));
    if (name === undefined || name === within) return mapParts(part, refer);
    const reference = { $ref: `#/components/schemas/${name}` };
    const { description, default: value } = part;
    // What belongs to the place, where it says something else than the component.
    const own = {
      ...(description !== components[name]?.description && { description }),
      ...(value !== undefined && { default: value }),
    };
    return isNullable(part) ? { anyOf: [reference, { type: 'null' }], ...own } : { ...reference, ...own };
  };
  return refer(schema);
}

/** With members allowed that are not listed, at every level. */
export function open(schema: JsonSchema): JsonSchema {
  const { additionalProperties, ...rest } = mapParts(schema, open);
  return additionalProperties === false || additionalProperties === undefined
    ? rest
    : { ...rest, additionalProperties };
}

function mapParts(schema: JsonSchema, change: (part: JsonSchema) => JsonSchema): JsonSchema {
  const { properties, patternProperties, items, anyOf, additionalProperties } = schema;
  return {
    ...schema,
    ...(properties && { properties: mapMembers(properties, change) }),
    ...(patternProperties && { patternProperties: mapMembers(patternProperties, change) }),
    ...(items && { items: change(items) }),
    ...(anyOf && { anyOf: anyOf.map(change) }),
    ...(typeof additionalProperties === 'object' && { additionalProperties: change(additionalProperties) }),
  };
}

function mapMembers(
  members: Readonly<Record<string, JsonSchema>>,
  change: (part: JsonSchema) => JsonSchema,
): Record<string, JsonSchema> {
  return Object.fromEntries(Object.entries(members).map(([name, member]) => [name, change(member)]));
}

/**
 * joi writes a map as a pattern that matches every key, and leaves null out of an enum. A time of ours has its format beside
 * the pattern, which allows less: no leap seconds, no year 0, no space between day and time.
 */
function tidy(untidy: JsonSchema): JsonSchema {
  const schema = mapParts(untidy, tidy);
  const { patternProperties, pattern, ...rest } = schema;
  if (schema.enum && isNullable(schema)) return { ...schema, enum: [...schema.enum, null] };
  if (pattern === dateTimePattern.source) return { ...rest, format: 'date-time', pattern };
  const anyKey = patternProperties?.['.*'];
  if (anyKey) return { ...rest, additionalProperties: anyKey };
  return schema;
}

/** Descriptions, defaults and null belong to the place, not to the component. */
function identity({ description: _description, default: _default, type, ...rest }: JsonSchema): string {
  const types = Array.isArray(type) ? type.filter((name) => name !== 'null') : [type];
  return JSON.stringify({ type: types, ...rest }, (key, value: unknown) =>
    key === 'description' ? undefined : value,
  );
}

function isNullable({ type }: JsonSchema): boolean {
  return Array.isArray(type) && type.includes('null');
}
