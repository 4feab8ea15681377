import type { KeywordContext } from './keyword-context.js';
import type { Check, Evaluated, Evaluation } from './evaluation.js';
import { isObject } from './value-keywords.js';

type ObjectCheck = (
  value: Readonly<Record<string, unknown>>,
  evaluation: Evaluation,
  evaluated: Evaluated | null,
) => boolean;

/** Only own members count: an object that has none has no `constructor` either. */
export function objectChecks(context: KeywordContext): { first: Check[]; unevaluated: Check[] } {
  const { schema, check } = context;
  const first: Check[] = [];
  const add = (name: string, make: (operand: never) => ObjectCheck) => {
    if (Object.hasOwn(schema, name)) first.push(ofObject(make(schema[name] as never)));
  };
  add('required', (names: readonly string[]) =>
    requires(names, (name) => `must have required property '${name}'`),
  );
  add('dependentRequired', (map: Record<string, readonly string[]>) => dependentRequired(map));
  add('maxProperties', (limit: number) =>
    count((size) => size <= limit, `must NOT have more than ${limit} properties`),
  );
  add('minProperties', (limit: number) =>
    count((size) => size >= limit, `must NOT have fewer than ${limit} properties`),
  );
  add('propertyNames', (names: unknown) => propertyNames(check(names)));
  add('dependentSchemas', (map: object) => dependentSchemas(context.checks(map)));
  add('dependencies', (map: Record<string, unknown>) => dependencies(map, context));
  if (['properties', 'patternProperties', 'additionalProperties'].some((name) => Object.hasOwn(schema, name)))
    first.push(ofObject(members(context)));

  const rest = Object.hasOwn(schema, 'unevaluatedProperties') ? check(schema['unevaluatedProperties']) : null;
  const closed = schema['unevaluatedProperties'] === false;
  return {
    first,
    unevaluated: rest ? [ofObject(unevaluatedProperties(rest, closed))] : [],
  };
}

function ofObject(objectCheck: ObjectCheck): Check {
  return (value, evaluation, evaluated) => !isObject(value) || objectCheck(value, evaluation, evaluated);
}

function requires(names: readonly string[], message: (name: string) => string): ObjectCheck {
  return (value, evaluation) => {
    evaluation.step(3 * names.length);
    const missing = names.find((name) => !Object.hasOwn(value, name));
    return missing === undefined || evaluation.fail(message(missing));
  };
}

function dependentRequired(map: Readonly<Record<string, readonly string[]>>): ObjectCheck {
  const entries = Object.entries(map).map(([name, names]) => ({
    name,
    check: requires(names, (missing) => `must have property '${missing}' when property '${name}' is there`),
  }));
  return (value, ...rest) => {
    const [evaluation] = rest;
    evaluation.step(entries.length);
    return entries.every(({ name, check }) => !Object.hasOwn(value, name) || check(value, ...rest));
  };
}

function dependentSchemas(checks: ReadonlyMap<string, Check>): ObjectCheck {
  return (value, ...rest) => {
    const [evaluation] = rest;
    evaluation.step(checks.size);
    for (const [name, check] of checks)
      if (Object.hasOwn(value, name) && !check(value, ...rest)) return false;
    return true;
  };
}

/** Of older drafts, which the standard lets a validator go on with: either of the two above by the kind of its value. */
function dependencies(map: Readonly<Record<string, unknown>>, { checks }: KeywordContext): ObjectCheck {
  const entries = Object.entries(map);
  const lists = Object.fromEntries(entries.filter(([, value]) => Array.isArray(value))) as Record<
    string,
    string[]
  >;
  const schemas = Object.fromEntries(entries.filter(([, value]) => !Array.isArray(value)));
  const byList = dependentRequired(lists);
  const bySchema = dependentSchemas(checks(schemas));
  return (...given) => byList(...given) && bySchema(...given);
}

function count(fits: (size: number) => boolean, message: string): ObjectCheck {
  return (value, evaluation) => fits(evaluation.namesOf(value).length) || evaluation.fail(message);
}

function propertyNames(check: Check): ObjectCheck {
  return (value, evaluation) =>
    evaluation.namesOf(value).every((name) => {
      if (evaluation.quietly(() => check(name, evaluation, null))) return true;
      evaluation.step(name.length / 16);
      return evaluation.fail(`must NOT have a property of the name ${JSON.stringify(name)}`);
    });
}

/** `properties`, `patternProperties` and `additionalProperties`, which depend on each other. */
function members({ schema, check, checks, pattern }: KeywordContext): ObjectCheck {
  const named = checks(schema['properties'] ?? {});
  const patterns = [...checks(schema['patternProperties'] ?? {})].map(([source, within]) => ({
    pattern: pattern(source),
    check: within,
  }));
  const hasRest = Object.hasOwn(schema, 'additionalProperties');
  const rest = hasRest ? check(schema['additionalProperties']) : null;
  const closed = schema['additionalProperties'] === false;

  return (value, evaluation, evaluated) => {
    for (const name of evaluation.namesOf(value)) {
      const own = named.get(name);
      let found = own !== undefined;
      if (own && !evaluation.at(name, own, value[name])) return false;
      for (const one of patterns) {
        evaluation.step(one.pattern.cost(name));
        if (!one.pattern.test(name)) continue;
        found = true;
        if (!evaluation.at(name, one.check, value[name])) return false;
      }
      if (!found && rest) {
        if (closed) return evaluation.fail(`must NOT have additional properties (${name})`);
        found = true;
        if (!evaluation.at(name, rest, value[name])) return false;
      }
      if (found) evaluated?.properties.add(name);
    }
    return true;
  };
}

function unevaluatedProperties(check: Check, closed: boolean): ObjectCheck {
  return (value, evaluation, evaluated) => {
    for (const name of evaluation.namesOf(value)) {
      if (evaluated?.hasProperty(name)) continue;
      if (closed) return evaluation.fail(`must NOT have unevaluated properties (${name})`);
      if (!evaluation.at(name, check, value[name])) return false;
    }
    if (evaluated) evaluated.allProperties = true;
    return true;
  };
}
