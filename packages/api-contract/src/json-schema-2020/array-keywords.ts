import type { KeywordContext } from './keyword-context.js';
import type { Check, Evaluated, Evaluation } from './evaluation.js';
import { canonicalJson } from './json-equal.js';

type ArrayCheck = (items: readonly unknown[], evaluation: Evaluation, evaluated: Evaluated | null) => boolean;

export function arrayChecks({ schema, check }: KeywordContext): { first: Check[]; unevaluated: Check[] } {
  const first: Check[] = [];
  const add = (name: string, make: (operand: never) => ArrayCheck) => {
    if (Object.hasOwn(schema, name)) first.push(ofArray(make(schema[name] as never)));
  };
  add('maxItems', (limit: number) =>
    count((size) => size <= limit, `must NOT have more than ${limit} items`),
  );
  add('minItems', (limit: number) =>
    count((size) => size >= limit, `must NOT have fewer than ${limit} items`),
  );
  add('uniqueItems', (wanted: boolean) => uniqueItems(wanted));
  const prefix = ((schema['prefixItems'] ?? []) as unknown[]).map(check);
  add('prefixItems', () => prefixItems(prefix));
  add('items', (items: unknown) => itemsFrom(prefix.length, check(items)));
  add('contains', (contained: unknown) => contains(check(contained), schema));
  const rest = Object.hasOwn(schema, 'unevaluatedItems') ? check(schema['unevaluatedItems']) : null;
  return { first, unevaluated: rest ? [ofArray(unevaluatedItems(rest))] : [] };
}

function ofArray(arrayCheck: ArrayCheck): Check {
  return (value, evaluation, evaluated) => !Array.isArray(value) || arrayCheck(value, evaluation, evaluated);
}

function count(fits: (size: number) => boolean, message: string): ArrayCheck {
  return (items, evaluation) => fits(items.length) || evaluation.fail(message);
}

/** Not by comparing each item with each. */
function uniqueItems(wanted: boolean): ArrayCheck {
  return (items, evaluation) =>
    !wanted ||
    new Set(items.map((item) => counted(canonicalJson(item), evaluation))).size === items.length ||
    evaluation.fail('must NOT have duplicate items');
}

function counted(text: string, evaluation: Evaluation): string {
  evaluation.step(2 + text.length / 4);
  return text;
}

function prefixItems(checks: readonly Check[]): ArrayCheck {
  return (items, evaluation, evaluated) => {
    const length = Math.min(items.length, checks.length);
    if (evaluated) evaluated.itemsBelow = Math.max(evaluated.itemsBelow, length);
    return checks.slice(0, length).every((check, index) => evaluation.at(index, check, items[index]));
  };
}

function itemsFrom(start: number, check: Check): ArrayCheck {
  return (items, evaluation, evaluated) => {
    for (let index = start; index < items.length; index += 1) {
      if (!evaluation.at(index, check, items[index])) return false;
    }
    if (evaluated) evaluated.allItems = true;
    return true;
  };
}

function contains(
  check: Check,
  { minContains = 1, maxContains = Infinity }: { minContains?: number; maxContains?: number },
): ArrayCheck {
  const wanted =
    maxContains === Infinity
      ? `at least ${minContains}`
      : `at least ${minContains} and at most ${maxContains}`;
  return (items, evaluation, evaluated) => {
    let found = 0;
    items.forEach((item, index) => {
      if (!evaluation.quietly(() => check(item, evaluation, null))) return;
      found += 1;
      evaluated?.items.add(index);
    });
    return (
      (found >= minContains && found <= maxContains) ||
      evaluation.fail(`must contain ${wanted} valid item(s); it contains ${found}`)
    );
  };
}

function unevaluatedItems(check: Check): ArrayCheck {
  return (items, evaluation, evaluated) => {
    evaluation.step(items.length);
    for (let index = 0; index < items.length; index += 1) {
      if (evaluated?.hasItem(index)) continue;
      if (!evaluation.at(index, check, items[index])) return false;
    }
    if (evaluated) evaluated.allItems = true;
    return true;
  };
}
