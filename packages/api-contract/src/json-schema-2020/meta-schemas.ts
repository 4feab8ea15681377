import { createRequire } from 'node:module';

import { Registry } from './registry.js';

/** Of the only draft there is. */
export const metaSchemaUri = 'https://json-schema.org/draft/2020-12/schema';

/** The meta-schemas of draft 2020-12, as the standard publishes them. */
export function createMetaSchemas(): Registry {
  const registry = new Registry();
  for (const name of names) {
    const schema: unknown = require(`ajv/dist/refs/json-schema-2020-12/${name}.json`);
    registry.add(schema, metaSchemaUri);
  }
  return registry;
}

const require = createRequire(import.meta.url);
const names = [
  'schema',
  'meta/applicator',
  'meta/content',
  'meta/core',
  'meta/format-annotation',
  'meta/meta-data',
  'meta/unevaluated',
  'meta/validation',
];
