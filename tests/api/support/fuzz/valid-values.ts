import type { JsonSchema, OpenApiDocument } from '@posthorn/api-contract';
import { generateSync, type JsonSchema as GeneratedSchema } from 'json-schema-faker';

import type { KnownThings } from './known-things.js';

export interface ValidValues {
  /** A value that the schema takes, with ids and addresses that exist where the schema asks for such. */
  of(schema: JsonSchema, seed: number): unknown;
}

/** `urls` are all that requests may name: nothing is to be sent anywhere else. */
export function createValidValues(
  document: OpenApiDocument,
  known: KnownThings,
  urls: readonly string[],
): ValidValues {
  const prepare = (schema: JsonSchema): JsonSchema => {
    const { $ref, properties, items, anyOf, additionalProperties } = schema;
    if ($ref !== undefined) return prepare(document.components.schemas[$ref.split('/').at(-1) ?? ''] ?? {});
    // The generator knows no classes of Unicode; what it makes of a text without the pattern has neither.
    if (schema.pattern?.includes('\\p{Cs}')) return prepare(withoutPattern(schema));
    const values = existing(schema, known, urls);
    if (values.length > 0) return { enum: isNullable(schema) ? [...values, null] : values };
    return {
      ...schema,
      ...(properties && {
        properties: Object.fromEntries(
          Object.entries(properties).map(([name, member]) => [
            name,
            // Nobody is served faster by asking the run to wait for a minute.
            name === 'waitSeconds' ? { enum: [0, 0.2] } : prepare(member),
          ]),
        ),
      }),
      ...(items && { items: prepare(items) }),
      ...(anyOf && { anyOf: anyOf.map(prepare) }),
      ...(typeof additionalProperties === 'object' && {
        additionalProperties: prepare(additionalProperties),
      }),
    };
  };
  return {
    of(schema, seed) {
      const prepared = prepare(schema) as GeneratedSchema;
      try {
        return generateSync(prepared, { seed, optionalsProbability: 0.35 });
      } catch {
        // It left out every optional member of an object that has to have one.
        return generateSync(prepared, { seed, alwaysFakeOptionals: true });
      }
    },
  };
}

function withoutPattern({ pattern: _pattern, ...rest }: JsonSchema): JsonSchema {
  return rest;
}

const eventTypes = ['invoice.paid', 'invoice.voided', 'checked.type', 'a', 'fuzz.made-up_1'];

function existing({ pattern }: JsonSchema, known: KnownThings, urls: readonly string[]): readonly string[] {
  if (pattern === undefined) return [];
  if (pattern.startsWith('^[Hh][Tt][Tt][Pp]')) return urls;
  const prefix = /^\^([a-z]{2,3})_\[0-7\]/.exec(pattern)?.[1];
  if (prefix !== undefined) return known.ids(prefix);
  if (pattern.includes('{0,63}')) return known.customers();
  if (pattern.startsWith('^phl_')) return known.linkTokens();
  if (pattern.includes('(\\.[A-Za-z0-9_-]+)*')) return eventTypes;
  return pattern === '^[A-Za-z0-9_-]+$' ? known.cursors() : [];
}

function isNullable({ type }: JsonSchema): boolean {
  return Array.isArray(type) && type.includes('null');
}
