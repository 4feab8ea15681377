import { arrayChecks } from './array-keywords.js';
import { branchChecks } from './branch-keywords.js';
import { type Check, Evaluated } from './evaluation.js';
import { formatCheck } from './formats.js';
import type { KeywordContext } from './keyword-context.js';
import { objectChecks } from './object-keywords.js';
import { type Located, noSchema, Registry, type Resource } from './registry.js';
import { type LinearPattern } from '../linear-pattern.js';
import { valueChecks } from './value-keywords.js';

export interface CompileOptions {
  readonly metaSchemas: Registry;
  readonly pattern: (source: string) => LinearPattern;
  /** What the meta-schema finds wrong with a schema; null when it is one. */
  readonly problemOf: (schema: unknown) => string | null;
}

/**
 * Compiles a JSON Schema of draft 2020-12 that is valid by its meta-schema. Formats are asserted. Throws
 * UnresolvedReference for a reference that leads out of it or to no schema, and what `pattern` throws.
 */
export function compileSchema(schema: unknown, options: CompileOptions): Check {
  const registry = new Registry(options.metaSchemas);
  const resource = registry.add(schema, baseUri);
  const compiler = new Compiler(registry, options);
  for (const [part, home] of registry.schemas()) compiler.checkOf({ schema: part, resource: home });
  return compiler.checkOf({ schema, resource });
}

/** Of a schema without an `$id`. */
const baseUri = 'schema:///';

class Compiler {
  readonly #checks = new Map<object, Check>();
  readonly #open: (() => void)[] = [];

  constructor(
    readonly registry: Registry,
    readonly options: CompileOptions,
  ) {}

  checkOf(located: Located): Check {
    const check = this.#checkOf(located);
    // Not by recursion: references may lead to each other.
    for (let next = this.#open.pop(); next; next = this.#open.pop()) next();
    return check;
  }

  #checkOf({ schema, resource }: Located): Check {
    if (schema === true) return accept;
    if (schema === false) return refuse;
    if (typeof schema !== 'object' || schema === null)
      throw new TypeError('A reference leads to what is no schema');
    const known = this.#checks.get(schema);
    if (known) return known;
    let keywords: readonly Check[] = [];
    let last: readonly Check[] = [];
    const run: Check = (value, evaluation, evaluated) => {
      evaluation.step();
      const own = last.length > 0 || evaluated ? new Evaluated() : null;
      for (const keyword of keywords) if (!keyword(value, evaluation, own)) return false;
      for (const keyword of last) if (!keyword(value, evaluation, own)) return false;
      if (evaluated && own) {
        evaluation.step(2 * own.size);
        evaluated.include(own);
      }
      return true;
    };
    const check: Check = (value, evaluation, evaluated) => {
      const { scope } = evaluation;
      if (scope.at(-1) === resource) return run(value, evaluation, evaluated);
      scope.push(resource);
      const fits = run(value, evaluation, evaluated);
      scope.pop();
      return fits;
    };
    this.#checks.set(schema, check);
    this.#open.push(() => {
      const context = this.#contextOf(schema as Record<string, unknown>, resource);
      const { first, unevaluated } = this.#keywordsOf(context, resource);
      keywords = first;
      last = unevaluated;
    });
    return check;
  }

  #contextOf(schema: Readonly<Record<string, unknown>>, resource: Resource): KeywordContext {
    const within = (part: unknown): Located => ({
      schema: part,
      resource: this.registry.homeOf(part) ?? resource,
    });
    return {
      schema,
      check: (part) => this.#checkOf(within(part)),
      checks: (map) =>
        new Map(Object.entries(map as object).map(([name, part]) => [name, this.#checkOf(within(part))])),
      pattern: this.options.pattern,
      format: formatCheck,
    };
  }

  #keywordsOf(context: KeywordContext, resource: Resource) {
    const objects = objectChecks(context);
    const arrays = arrayChecks(context);
    return {
      first: [
        ...valueChecks(context),
        ...objects.first,
        ...arrays.first,
        ...this.#references(context.schema, resource),
        ...branchChecks(context),
      ],
      // They look at what all the others have evaluated.
      unevaluated: [...objects.unevaluated, ...arrays.unevaluated],
    };
  }

  /** A reference may lead to a place where no schema is known to stand, and what stands there be none. */
  #target(reference: string, resource: Resource): Located {
    const target = this.registry.resolve(reference, resource);
    const { schema } = target;
    if (typeof schema === 'boolean' || this.registry.homeOf(schema)) return target;
    const problem = this.options.problemOf(schema);
    if (problem !== null) throw noSchema(reference, problem);
    this.registry.addUnknown(schema, target.resource);
    return target;
  }

  #references({ $ref, $dynamicRef }: Readonly<Record<string, unknown>>, resource: Resource): Check[] {
    const checks: Check[] = [];
    if (typeof $ref === 'string') checks.push(this.#checkOf(this.#target($ref, resource)));
    if (typeof $dynamicRef === 'string') checks.push(this.#dynamicReference($dynamicRef, resource));
    return checks;
  }

  #dynamicReference(reference: string, resource: Resource): Check {
    const target = this.#target(reference, resource);
    const { dynamicName } = target;
    const fallback = this.#checkOf(target);
    if (dynamicName === undefined) return fallback;
    const byResource = new Map<Resource, Check>();
    return (value, evaluation, evaluated) => {
      evaluation.step(evaluation.scope.length);
      const outermost = evaluation.scope.find(({ dynamicAnchors }) => dynamicAnchors.has(dynamicName));
      if (!outermost) return fallback(value, evaluation, evaluated);
      let check = byResource.get(outermost);
      if (!check) {
        check = this.checkOf({ schema: outermost.dynamicAnchors.get(dynamicName), resource: outermost });
        byResource.set(outermost, check);
      }
      return check(value, evaluation, evaluated);
    };
  }
}

const accept: Check = (_value, evaluation) => {
  evaluation.step();
  return true;
};
const refuse: Check = (_value, evaluation) => {
  evaluation.step();
  return evaluation.fail('must not be there: the schema allows no value here');
};
