import type { KeywordContext } from './keyword-context.js';
import type { Check } from './evaluation.js';

/** Keywords that apply other schemas to the same value. */
export function branchChecks({ schema, check }: KeywordContext): Check[] {
  const checks: Check[] = [];
  const list = (name: string) => ((schema[name] ?? []) as unknown[]).map(check);
  if (Object.hasOwn(schema, 'allOf')) checks.push(...list('allOf'));
  if (Object.hasOwn(schema, 'anyOf')) checks.push(anyOf(list('anyOf')));
  if (Object.hasOwn(schema, 'oneOf')) checks.push(oneOf(list('oneOf')));
  if (Object.hasOwn(schema, 'not')) checks.push(not(check(schema['not'])));
  if (Object.hasOwn(schema, 'if')) {
    const branch = (name: string) => (Object.hasOwn(schema, name) ? check(schema[name]) : null);
    checks.push(conditional(check(schema['if']), branch('then'), branch('else')));
  }
  return checks;
}

function anyOf(branches: readonly Check[]): Check {
  return (value, evaluation, evaluated) => {
    const { length } = evaluation.errors;
    let fits = false;
    for (const branch of branches) {
      fits = branch(value, evaluation, evaluated) || fits;
      // What the others would have evaluated counts too.
      if (fits && !evaluated) break;
    }
    if (!fits) return evaluation.fail('must match a schema in anyOf');
    evaluation.errors.length = length;
    return true;
  };
}

function oneOf(branches: readonly Check[]): Check {
  return (value, evaluation, evaluated) => {
    const { length } = evaluation.errors;
    let fitting = 0;
    for (const branch of branches) if (branch(value, evaluation, evaluated)) fitting += 1;
    if (fitting > 0) evaluation.errors.length = length;
    if (fitting === 1) return true;
    return evaluation.fail(`must match exactly one schema in oneOf; it matches ${fitting}`);
  };
}

function not(check: Check): Check {
  return (value, evaluation) =>
    !evaluation.quietly(() => check(value, evaluation, null)) ||
    evaluation.fail('must NOT be valid against the schema in not');
}

function conditional(condition: Check, then: Check | null, otherwise: Check | null): Check {
  return (value, evaluation, evaluated) => {
    const holds = evaluation.quietly(() => condition(value, evaluation, evaluated));
    const branch = holds ? then : otherwise;
    return branch === null || branch(value, evaluation, evaluated);
  };
}
