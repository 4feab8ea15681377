import { compileSchema } from './json-schema-2020/compile-schema.js';
import { type Check, Evaluation, type Failure, TooManySteps } from './json-schema-2020/evaluation.js';
import { createMetaSchemas, metaSchemaUri } from './json-schema-2020/meta-schemas.js';
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
    if (hasInfinity(schema))
      return unusable('has a number that is too large; at most 1.7976931348623157e308 is');
    const draft = otherDraft(schema);
    if (draft !== null)
      return unusable(`must be of draft 2020-12, "$schema": "${metaSchemaUri}", or name none`);
    const problem = problemOf(schema);
    if (problem) return problem;
    statesLeft = statesMax;
    const check = compileSchema(schema, { metaSchemas, pattern, problemOf: messageOf });
    const excess = excessOf(check);
    if (excess !== null) return unusable(excess);
    return { ok: true, check: (data) => checkWith(check, data) };
  } catch (error) {
    if (error instanceof UnusablePattern) return unusablePattern(schema, error);
    return unusable(error instanceof Error ? error.message : String(error));
  }
}

let statesLeft = statesMax;

function pattern(source: string) {
  const compiled = linearPattern(source);
  statesLeft -= compiled.states;
  if (statesLeft < 0) throw new UnusablePattern(source, 'with the others of the schema it is too large');
  return compiled;
}

const metaSchemas = createMetaSchemas();
let metaCheck: Check | undefined;

/** What the meta-schema finds wrong. */
function problemOf(schema: unknown): CompiledEventSchema | null {
  metaCheck ??= compileSchema(
    { $ref: metaSchemaUri },
    { metaSchemas, pattern: linearPattern, problemOf: () => null },
  );
  const evaluation = new Evaluation();
  if (metaCheck(schema, evaluation, null)) return null;
  const [{ path, message } = { path: '', message: 'does not fit its meta-schema' }] =
    evaluation.errors.map(joined);
  return { ok: false, path: shorten(path), message: shorten(message) };
}

/** Of a schema within the schema that the meta-schema has not seen. */
function messageOf(schema: unknown): string | null {
  const problem = problemOf(schema);
  if (!problem || problem.ok) return null;
  return problem.path === '' ? problem.message : `${problem.path} ${problem.message}`;
}

/** JSON.parse makes Infinity of 1e400, which would be stored as null. */
function hasInfinity(schema: unknown): boolean {
  if (typeof schema === 'number') return !Number.isFinite(schema);
  return isObject(schema) && Object.values(schema).some(hasInfinity);
}

/** A schema within a schema may name its draft too. */
function otherDraft(schema: unknown): string | null {
  if (!isObject(schema)) return null;
  const { $schema } = schema as { $schema?: unknown };
  return typeof $schema === 'string' && $schema.replace(/#$/, '') !== metaSchemaUri ? $schema : null;
}

/** Why no value can be checked, such as for `{ "$ref": "#" }`; null when some can. */
function excessOf(check: Check): string | null {
  for (const value of [null, true, 0, '', [], {}]) {
    try {
      check(value, new Evaluation(), null);
    } catch (error) {
      if (error instanceof RangeError) return 'refers to itself without end';
      if (error instanceof TooManySteps)
        return 'takes too many steps for the smallest value; use fewer branches';
      throw error;
    }
  }
  return null;
}

function checkWith(check: Check, data: unknown): FieldError[] {
  if (isNestedDeeper(data, nestingMax))
    return [
      { path: 'data', message: `is nested too deeply to be checked; at most ${nestingMax} levels are` },
    ];
  const evaluation = new Evaluation();
  try {
    return check(data, evaluation, null) ? [] : evaluation.errors.map(joined).map(fieldErrorOf);
  } catch (error) {
    // Each level of the data may be many levels of the schema.
    if (error instanceof RangeError)
      return [
        {
          path: 'data',
          message:
            'cannot be checked: the schema refers to itself without end, or too often for so many levels',
        },
      ];
    if (error instanceof TooManySteps)
      return [{ path: 'data', message: 'takes too many steps to check against the schema' }];
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

function joined({ path, message }: Failure): FieldError {
  return { path: path.join('.'), message };
}

/** Values of the data are not repeated: they can be long, or secret. */
function fieldErrorOf({ path, message }: FieldError): FieldError {
  return { path: shorten(path === '' ? 'data' : `data.${path}`), message: shorten(message) };
}

function shorten(text: string): string {
  return text.length > lengthMax ? `${text.slice(0, lengthMax)}…` : text;
}
