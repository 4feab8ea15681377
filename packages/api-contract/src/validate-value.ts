import type Joi from 'joi';

import type { FieldError } from './problem.js';

export type Validated<T> = { ok: true; value: T } | { ok: false; errors: FieldError[] };

export interface ValidateOptions {
  /** Text from the URL is turned into numbers and the like; bodies never are. */
  convert: boolean;
}

/**
 * All problems at once, up to fifty; of a large value only the first, as listing the problems of half a million members
 * would stop everybody else's requests for seconds. Messages do not repeat values: they can be long, or secret.
 */
export function validateValue<T>(
  schema: Joi.Schema<T>,
  value: unknown,
  { convert }: ValidateOptions,
): Validated<T> {
  const result = prepared(schema, convert ? converting : strict).validate(value);
  if (!result.error) return { ok: true, value: result.value as T };
  const { error = result.error } = hasFewMembers(value)
    ? prepared(schema, convert ? convertingAll : strictAll).validate(value)
    : result;
  return { ok: false, errors: error.details.slice(0, errorsMax).map(fieldErrorOf) };
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
const lengthMax = 300;

const messages = {
  'string.pattern.name': '{{#label}} must be a valid {{#name}}',
  'string.pattern.base': '{{#label}} has an invalid form',
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
function fieldErrorOf({ path, message }: Joi.ValidationErrorItem): FieldError {
  return { path: shorten(path.join('.')), message: shorten(message) };
}

function shorten(text: string): string {
  return text.length > lengthMax ? `${text.slice(0, lengthMax)}…` : text;
}
