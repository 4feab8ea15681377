import type { KeywordContext } from './keyword-context.js';
import type { Check, Evaluation } from './evaluation.js';
import { jsonEqual } from './json-equal.js';
import { multipleOf } from './multiple-of.js';

/** Keywords that look at a value as a whole, at a number or at a text. */
export function valueChecks({ schema, pattern, format }: KeywordContext): Check[] {
  const checks: Check[] = [];
  const add = (name: string, make: (operand: never) => Check) => {
    if (Object.hasOwn(schema, name)) checks.push(make(schema[name] as never));
  };
  add('type', (types: string | readonly string[]) => typeCheck([types].flat()));
  add('const', (wanted: unknown) => oneOfValues([wanted]));
  add('enum', oneOfValues);

  add('multipleOf', (divisor: number) => ofNumber(multipleOf(divisor), `must be multiple of ${divisor}`));
  add('maximum', (limit: number) => ofNumber((value) => value <= limit, `must be <= ${limit}`));
  add('exclusiveMaximum', (limit: number) => ofNumber((value) => value < limit, `must be < ${limit}`));
  add('minimum', (limit: number) => ofNumber((value) => value >= limit, `must be >= ${limit}`));
  add('exclusiveMinimum', (limit: number) => ofNumber((value) => value > limit, `must be > ${limit}`));

  add('maxLength', (limit: number) =>
    ofText(
      (value, evaluation) =>
        value.length <= limit || (value.length <= 2 * limit && codePoints(value, evaluation) <= limit),
      `must NOT have more than ${limit} characters`,
    ),
  );
  add('minLength', (limit: number) =>
    ofText(
      (value, evaluation) =>
        value.length >= 2 * limit || (value.length >= limit && codePoints(value, evaluation) >= limit),
      `must NOT have fewer than ${limit} characters`,
    ),
  );
  add('pattern', (source: string) => {
    const compiled = pattern(source);
    return ofText((value, evaluation) => {
      evaluation.step(compiled.cost(value));
      return compiled.test(value);
    }, `must match the pattern ${source}`);
  });
  add('format', (name: string) => {
    const fits = format(name);
    // To see whether a text is an expression is to compile it.
    const costPerCharacter = name === 'regex' ? 4 : 1 / 8;
    return (value, evaluation) => {
      if (typeof value === 'string') evaluation.step(value.length * costPerCharacter);
      return fits(value) || evaluation.fail(`must be of the format ${JSON.stringify(name)}`);
    };
  });
  return checks;
}

function typeCheck(types: readonly string[]): Check {
  const message = `must be ${types.join(' or ')}`;
  return (value, evaluation) => types.some((type) => isOfType(value, type)) || evaluation.fail(message);
}

function isOfType(value: unknown, type: string): boolean {
  switch (type) {
    case 'null':
      return value === null;
    case 'array':
      return Array.isArray(value);
    case 'object':
      return isObject(value);
    case 'integer':
      // What JSON.parse makes of a number too large for it has no fraction either.
      return typeof value === 'number' && (Number.isInteger(value) || !Number.isFinite(value));
    default:
      return typeof value === type;
  }
}

function oneOfValues(values: readonly unknown[]): Check {
  const simple = new Set(values.filter((value) => typeof value !== 'object' || value === null));
  const others = values.filter((value) => !simple.has(value));
  const shown = values.map((value) => JSON.stringify(value)).join(', ');
  const message =
    values.length === 0
      ? 'must not be there: its enum is empty'
      : `must be ${values.length === 1 ? '' : 'one of '}${shown.length > 200 ? `${shown.slice(0, 200)}…` : shown}`;
  return (value, evaluation) =>
    simple.has(value) ||
    others.some((other) => jsonEqual(value, other, evaluation)) ||
    evaluation.fail(message);
}

function ofNumber(fits: (value: number) => boolean, message: string): Check {
  return (value, evaluation) => typeof value !== 'number' || fits(value) || evaluation.fail(message);
}

function ofText(fits: (value: string, evaluation: Evaluation) => boolean, message: string): Check {
  return (value, evaluation) =>
    typeof value !== 'string' || fits(value, evaluation) || evaluation.fail(message);
}

/** Called only where the length in UTF-16 does not decide it already: a long text is not counted by every schema. */
function codePoints(text: string, evaluation: Evaluation): number {
  evaluation.step(text.length / 32);
  let count = text.length;
  for (let at = 0; at < text.length - 1; at += 1) {
    if ((text.charCodeAt(at) & 0xfc00) !== 0xd800 || (text.charCodeAt(at + 1) & 0xfc00) !== 0xdc00) continue;
    count -= 1;
    at += 1;
  }
  return count;
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
