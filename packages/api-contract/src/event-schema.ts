import type { ErrorObject } from 'ajv';
import { Ajv2020 } from 'ajv/dist/2020.js';
import formats from 'ajv-formats';

import type { FieldError } from './problem.js';

/** Checks `data` of one event type. Empty when it fits. */
export type EventSchemaCheck = (data: unknown) => FieldError[];

export type CompiledEventSchema = { ok: true; check: EventSchemaCheck } | { ok: false; message: string };

const schemaBytesMax = 64 * 1024;
const errorsMax = 50;
const lengthMax = 300;

/**
 * Compiles a JSON Schema (draft 2020-12, formats checked, no remote references). A check stops at the first error: listing
 * those of a large value would stop everybody else's requests.
 */
export function compileEventSchema(schema: unknown): CompiledEventSchema {
  if (JSON.stringify(schema).length > schemaBytesMax)
    return { ok: false, message: `is larger than ${schemaBytesMax} bytes` };
  try {
    const validate = ajv.compile(schema as object);
    if ('$async' in validate) return { ok: false, message: 'must not be asynchronous' };
    return {
      ok: true,
      check: (data) => (validate(data) ? [] : (validate.errors ?? []).slice(0, errorsMax).map(fieldErrorOf)),
    };
  } catch (error) {
    return { ok: false, message: shorten(error instanceof Error ? error.message : String(error)) };
  } finally {
    // Nothing is kept of it: schemas come and go, and two event types may use the same `$id`.
    if (typeof schema === 'object' && schema !== null) ajv.removeSchema(schema);
  }
}

const ajv = new Ajv2020({ strict: false, allErrors: false, logger: false, addUsedSchema: false });
formats.default(ajv);

/** Messages do not repeat values: they can be long, or secret. */
function fieldErrorOf({ instancePath, keyword, message = 'does not fit', params }: ErrorObject): FieldError {
  const path = ['data', ...instancePath.split('/').slice(1).map(unescapePointer)].join('.');
  const named = keyword === 'additionalProperties' ? ` (${String(params['additionalProperty'])})` : '';
  return { path: shorten(path), message: shorten(`${message}${named}`) };
}

function unescapePointer(part: string): string {
  return part.replaceAll('~1', '/').replaceAll('~0', '~');
}

function shorten(text: string): string {
  return text.length > lengthMax ? `${text.slice(0, lengthMax)}…` : text;
}
