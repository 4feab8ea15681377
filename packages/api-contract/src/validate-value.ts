import type Joi from 'joi';

import type { FieldError } from './problem.js';

export type Validated<T> = { ok: true; value: T } | { ok: false; errors: FieldError[] };

export interface ValidateOptions {
  /** Text from the URL is turned into numbers and the like; bodies never are. */
  convert: boolean;
  /** What messages call the value as a whole. */
  name?: string;
}

/**
 * All problems at once, up to fifty; of a large value only the first, as listing the problems of half a million members
 * would stop everybody else's requests for seconds. Messages do not repeat values: they can be long, or secret.
 */
export function validateValue<T>(
  schema: Joi.Schema<T>,
  value: unknown,
  { convert, name = 'The body' }: ValidateOptions,
): Validated<T> {
  const result = prepared(schema, convert ? converting : strict).validate(value);
  if (!result.error) return { ok: true, value: result.value as T };
  const { error = result.error } = hasFewMembers(value)
    ? prepared(schema, convert ? convertingAll : strictAll).validate(value)
    : result;
  const errors = error.details.slice(0, errorsMax).map((detail) => fieldErrorOf(detail, schema, name));
  return { ok: false, errors };
}

interface Prepared {
  preferences: Joi.ValidationOptions;
  schemas: WeakMap<Joi.Schema, Joi.Schema>;
}

/** Options given to each call are checked and compiled by each call, which costs more than the validation. */
function prepared(schema: Joi.Schema, { preferences, schemas }: Prepared): Joi.Schema {
  let result = schemas.get(schema);
  if (!result) {
    result = schema.prefs({ ...preferences, messages });
    schemas.set(schema, result);
  }
  return result;
}

/** Whether a value has at most some thousand members, itself and all levels below counted. */
function hasFewMembers(value: unknown): boolean {
  const open: unknown[] = [value];
  for (let seen = 0; open.length > 0; seen += 1) {
    if (seen + open.length > membersMax) return false;
    const next = open.pop();
    if (typeof next !== 'object' || next === null) continue;
    for (const key in next) {
      open.push((next as Record<string, unknown>)[key]);
      if (open.length > membersMax) return false;
    }
  }
  return true;
}

const membersMax = 2_000;

const errorsMax = 50;
const lengthMax = 400;

/** joi's own words where they do not say what is allowed. Texts with a form of their own say it by `allowedForm`. */
const messages = {
  'array.max': '{{#label}} must have at most {{#limit}} items',
  'array.min': '{{#label}} must have at least {{#limit}} item{if(#limit == 1, "", "s")}',
  'array.unique': '{{#label}} repeats an earlier item; give each once',
  'boolean.base': '{{#label}} must be true or false',
  'number.base': '{{#label}} must be a number',
  'number.integer': '{{#label}} must be a whole number',
  'number.infinity': '{{#label}} must be a number that is not infinite',
  'number.unsafe': '{{#label}} must be a number from -9007199254740991 to 9007199254740991',
  'object.base': '{{#label}} must be a JSON object',
  'object.min':
    '{{#label}} must have at least {{#limit}} member{if(#limit == 1, "", "s")}; name what to change',
  'object.max': '{{#label}} must have at most {{#limit}} members',
  'string.base': '{{#label}} must be a string',
  'string.empty': '{{#label}} must not be empty',
  'string.max': '{{#label}} must have at most {{#limit}} characters',
};

const kind = (convert: boolean, abortEarly: boolean): Prepared => ({
  preferences: { convert, abortEarly },
  schemas: new WeakMap(),
});
const strict = kind(false, true);
const strictAll = kind(false, false);
const converting = kind(true, true);
const convertingAll = kind(true, false);

/** Names of members come from the caller and can be of any length. */
function fieldErrorOf(
  { path, message, type }: Joi.ValidationErrorItem,
  schema: Joi.Schema,
  name: string,
): FieldError {
  const text = type === 'object.unknown' ? `${message}${knownMembers(schema, path)}` : message;
  // joi calls a value without a name so.
  const named = path.length === 0 ? text.replace(/^"value"/, name) : text;
  return { path: shorten(path.join('.')), message: shorten(named) };
}

/** What the schema knows where a member stands that it does not; empty where names are free. */
function knownMembers(schema: Joi.Schema, path: readonly (string | number)[]): string {
  let at = descriptionOf(schema);
  for (const part of path.slice(0, -1)) at = typeof part === 'number' ? at?.items?.[0] : at?.keys?.[part];
  if (!at || at.patterns) return '';
  const names = Object.keys(at.keys ?? {});
  return names.length > 0 ? `; allowed are ${names.join(', ')}` : '; none are allowed here';
}

const descriptions = new WeakMap<Joi.Schema, Description>();

function descriptionOf(schema: Joi.Schema): Description | undefined {
  const description = descriptions.get(schema) ?? (schema.describe() as Description);
  descriptions.set(schema, description);
  return description;
}

interface Description {
  keys?: Record<string, Description>;
  items?: Description[];
  patterns?: unknown;
}

function shorten(text: string): string {
  return text.length > lengthMax ? `${text.slice(0, lengthMax)}…` : text;
}
