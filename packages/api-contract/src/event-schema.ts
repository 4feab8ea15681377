import type { ErrorObject } from 'ajv';
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';
import formats from 'ajv-formats';

import { linearPattern, TooCostly, UnusablePattern } from './linear-pattern.js';
import { isNestedDeeper } from './nesting.js';
import type { FieldError } from './problem.js';

/** Checks `data` of one event type. Empty when it fits. Never throws. */
export type EventSchemaCheck = (data: unknown) => FieldError[];

/** `path`: of the part of the schema that is to blame, dotted; empty for all of it. */
export type CompiledEventSchema =
  { ok: true; check: EventSchemaCheck } | { ok: false; path: string; message: string };

/** Levels of lists and objects in each other: of a schema, an example, and data that is checked against a schema. */
export const nestingMax = 100;

const schemaBytesMax = 64 * 1024;
/** States of all patterns of one schema: compiling them takes time and memory in proportion. */
const statesMax = 20_000;
const errorsMax = 50;
const lengthMax = 300;

/**
 * Compiles a JSON Schema (draft 2020-12, formats checked, no remote references). A check stops at the first error: listing
 * those of a large value would stop everybody else's requests. For the same reason patterns are those of RE2.
 */
export function compileEventSchema(schema: unknown): CompiledEventSchema {
  if (isNestedDeeper(schema, nestingMax))
    return unusable(`nested too deeply: more than ${nestingMax} levels`);
  try {
    if (JSON.stringify(schema).length > schemaBytesMax)
      return unusable(`is larger than ${schemaBytesMax} bytes`);
    statesLeft = statesMax;
    const validate = ajv.compile(schema as object);
    if ('$async' in validate) return unusable('must not be asynchronous');
    if (isEndless(validate)) return unusable('refers to itself without end');
    return { ok: true, check: (data) => checkWith(validate, data) };
  } catch (error) {
    if (error instanceof UnusablePattern) return unusablePattern(schema, error);
    return unusable(error instanceof Error ? error.message : String(error));
  } finally {
    forget(schema);
  }
}

let statesLeft = statesMax;

function regExp(source: string) {
  const pattern = linearPattern(source);
  statesLeft -= pattern.states;
  if (statesLeft < 0) throw new UnusablePattern(source, 'with the others of the schema it is too large');
  return pattern;
}
regExp.code = 'linearPattern';

const ajv = new Ajv2020({ strict: false, allErrors: false, logger: false, code: { regExp } });
formats.default(ajv);

// What stands before an @ could be divided in two in as many ways as it has characters.
const url = formats.default.get('url') as RegExp;
ajv.addFormat('url', new RegExp(url.source.replace(String.raw`\S+(?::\S*)?@`, String.raw`\S+@`), url.flags));

// Ajv's own compares each item with every other one.
ajv.removeKeyword('uniqueItems');
ajv.addKeyword({
  keyword: 'uniqueItems',
  type: 'array',
  schemaType: 'boolean',
  error: { message: 'must NOT have duplicate items' },
  validate: (wanted: boolean, items: unknown[]) =>
    !wanted || new Set(items.map(canonicalJson)).size === items.length,
});
const ownReferences = new Set(Object.keys(ajv.refs));

/** Nothing is kept of a schema: they come and go, and two event types may use the same `$id`, also further in. */
function forget(schema: unknown): void {
  if (isObject(schema)) ajv.removeSchema(schema);
  for (const reference of Object.keys(ajv.refs)) {
    if (!ownReferences.has(reference)) ajv.removeSchema(reference);
  }
}

/** A schema such as `{ "$ref": "#" }`, for which no value is ever done with. */
function isEndless(validate: ValidateFunction): boolean {
  return [null, true, 0, '', [], {}].some((value) => {
    try {
      validate(value);
      return false;
    } catch (error) {
      return error instanceof RangeError;
    }
  });
}

function checkWith(validate: ValidateFunction, data: unknown): FieldError[] {
  const tooDeep = [{ path: 'data', message: `is nested too deeply to be checked` }];
  if (isNestedDeeper(data, nestingMax)) return tooDeep;
  try {
    return validate(data) ? [] : (validate.errors ?? []).slice(0, errorsMax).map(fieldErrorOf);
  } catch (error) {
    // Each level of the data may be many levels of the schema.
    if (error instanceof RangeError) return tooDeep;
    if (!(error instanceof TooCostly)) throw error;
    return [{ path: 'data', message: 'has a text that is too long for a pattern of the schema' }];
  }
}

function unusable(message: string): CompiledEventSchema {
  return { ok: false, path: '', message: shorten(message) };
}

function unusablePattern(schema: unknown, { source, message }: UnusablePattern): CompiledEventSchema {
  const path = pathOfPattern(schema, source) ?? [];
  const shown = source.length > 60 ? `${source.slice(0, 60)}…` : source;
  const rule = 'lookarounds, backreferences and repeats above 1000 are not supported';
  return {
    ok: false,
    path: shorten(path.join('.')),
    message: shorten(`the pattern ${shown} cannot be used (${rule}): ${message}`),
  };
}

/** Where the pattern stands, as a member `pattern` or as a name in `patternProperties`. */
function pathOfPattern(schema: unknown, source: string): string[] | null {
  if (!isObject(schema)) return null;
  for (const [name, member] of Object.entries(schema)) {
    if (name === 'pattern' && member === source) return [name];
    if (name === 'patternProperties' && isObject(member) && Object.hasOwn(member, source))
      return [name, source];
    const further = pathOfPattern(member, source);
    if (further) return [name, ...further];
  }
  return null;
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}

/** The same text for what JSON Schema calls equal. */
function canonicalJson(value: unknown): string {
  if (!isObject(value)) return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`;
  const members = Object.entries(value).map(
    ([name, member]) => `${JSON.stringify(name)}:${canonicalJson(member)}`,
  );
  return `{${members.sort().join(',')}}`;
}

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
