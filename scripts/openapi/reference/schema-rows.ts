import type { JsonSchema } from '../../../packages/api-contract/src/json-schema.js';

export interface SchemaRow {
  /** Dotted below the schema: `limits.rateLimit.max`, `events[].data`. */
  name: string;
  type: string;
  required: boolean;
  description: string;
  constraints: string;
}

type Schemas = Readonly<Record<string, JsonSchema>>;

/** Every member of the schema, with those of what it holds below it; components are followed. */
export function schemaRows(schema: JsonSchema, schemas: Schemas, within = ''): SchemaRow[] {
  const { properties = {}, required = [] } = resolve(schema, schemas);
  return Object.entries(properties).flatMap(([member, unresolved]) => {
    const name = `${within}${member}`;
    const { description } = unresolved;
    const whole = resolve(unresolved, schemas);
    const row: SchemaRow = {
      name,
      type: typeOf(whole, schemas),
      required: required.includes(member),
      description: description ?? whole.description ?? '',
      constraints: constraintsOf(unresolved, schemas),
    };
    return [row, ...rowsWithin(whole, schemas, name)];
  });
}

function rowsWithin(schema: JsonSchema, schemas: Schemas, name: string): SchemaRow[] {
  const parts = (schema.anyOf ?? [schema]).map((part) => resolve(part, schemas));
  return parts.flatMap((part) => {
    if (part.items) return schemaRows(part.items, schemas, `${name}[].`);
    if (typeof part.additionalProperties === 'object')
      return schemaRows(part.additionalProperties, schemas, `${name}.*.`);
    return schemaRows(part, schemas, `${name}.`);
  });
}

export function typeOf(schema: JsonSchema, schemas: Schemas): string {
  const { type, anyOf, items, additionalProperties, format } = resolve(schema, schemas);
  if (anyOf) return [...new Set(anyOf.map((part) => typeOf(part, schemas)))].join(' or ');
  const types = type === undefined ? ['any'] : [type].flat();
  return types
    .map((one) => {
      if (one === 'array' && items) return `list of ${typeOf(items, schemas)}`;
      if (one === 'object' && typeof additionalProperties === 'object')
        return `map to ${typeOf(additionalProperties, schemas)}`;
      return one === 'string' && format !== undefined ? format : one;
    })
    .join(' or ');
}

/** Values, bounds and default in words. Patterns are left to the document: the descriptions say what they are for. */
export function constraintsOf(schema: JsonSchema, schemas: Schemas): string {
  const whole = resolve(schema, schemas);
  const { enum: values, minLength = 0 } = whole;
  return [
    values && `One of ${values.map((value) => `\`${JSON.stringify(value)}\``).join(', ')}.`,
    range(whole.minimum, whole.maximum, ''),
    range(minLength > 1 ? minLength : undefined, whole.maxLength, ' characters'),
    range(whole.minItems, whole.maxItems, ' items'),
    range(whole.minProperties, whole.maxProperties, ' members'),
    whole.default !== undefined && `Default \`${JSON.stringify(whole.default)}\`.`,
  ]
    .filter((part) => typeof part === 'string')
    .join(' ');
}

function range(least: number | undefined, most: number | undefined, unit: string): string | undefined {
  if (least !== undefined && most !== undefined) return `${least} to ${most}${unit}.`;
  if (most !== undefined) return `At most ${most}${unit}.`;
  return least === undefined ? undefined : `At least ${least}${unit}.`;
}

function resolve(schema: JsonSchema, schemas: Schemas): JsonSchema {
  return schema.$ref === undefined ? schema : (schemas[schema.$ref.split('/').at(-1) ?? ''] ?? {});
}
