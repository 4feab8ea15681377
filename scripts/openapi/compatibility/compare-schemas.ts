import type { JsonSchema } from '../../../packages/api-contract/src/json-schema.js';

/** Who writes what the schema describes: callers, whom it must not take from, or we, of whom it must not promise less. */
export type Side = 'request' | 'answer';

export type Schemas = Readonly<Record<string, JsonSchema>>;

export interface Walk {
  side: Side;
  /** Where in the document, for people: `Delivery.status`. Below a component it begins with the component's name. */
  place: string;
  /** `components.schemas` of the two documents. */
  schemas: { before: Schemas; after: Schemas };
  /** Of pairs of components that were compared, or are being compared. */
  known: Map<string, string[]>;
}

/**
 * What breaks for callers, a line each; empty when nothing does. Of requests: anything that was taken and no longer is, and
 * defaults that changed. Of answers: members that went or may be missing, and values, types or null that were not
 * there before. Limits of answers (lengths, bounds) promise nothing.
 */
export function compareSchemas(before: JsonSchema, after: JsonSchema, walk: Walk): string[] {
  return [...compareAlternatives(before, after, walk), ...compareDefaults(before, after, walk)];
}

/** Each alternative of the one side has to be covered by one of the other. */
function compareAlternatives(before: JsonSchema, after: JsonSchema, walk: Walk): string[] {
  const olds = alternativesOf(before, walk.schemas.before);
  const news = alternativesOf(after, walk.schemas.after);
  const ofRequest = walk.side === 'request';
  const [covered, covering] = ofRequest ? [olds, news] : [news, olds];
  return covered.flatMap((one) => {
    const candidates = covering.filter(({ type }) => covers(type, one.type));
    const outcomes = candidates.map((other) =>
      ofRequest ? compareOfOneType(one, other, walk) : compareOfOneType(other, one, walk),
    );
    const best = outcomes.find(({ length }) => length === 0) ?? outcomes[0];
    const type = one.type === undefined ? 'any value' : String(one.type);
    return best ?? [`${walk.place}: ${ofRequest ? `no longer takes ${type}` : `can be ${type} now`}`];
  });
}

/** One schema for each type, components in place of references but under their name: `string or null` are two. */
function alternativesOf(schema: JsonSchema, schemas: Schemas): JsonSchema[] {
  const { $ref, anyOf, type } = schema;
  if ($ref !== undefined) {
    return alternativesOf(componentOf($ref, schemas), schemas).map((part) => ({ $ref, ...part }));
  }
  if (anyOf) return anyOf.flatMap((part) => alternativesOf(part, schemas));
  if (!Array.isArray(type)) return [schema];
  return (type as readonly string[]).map((one) =>
    one === 'null' ? { type: one } : { ...schema, type: one },
  );
}

function covers(wide: JsonSchema['type'], narrow: JsonSchema['type']): boolean {
  return wide === undefined || wide === narrow || (wide === 'number' && narrow === 'integer');
}

/** Of two components each pair is compared once: its changes read the same wherever it occurs, and it may contain itself. */
function compareOfOneType(before: JsonSchema, after: JsonSchema, walk: Walk): string[] {
  if (before.$ref === undefined || after.$ref === undefined) return compareParts(before, after, walk);
  const pair = [walk.side, before.$ref, after.$ref, before.type, after.type].join(' ');
  const known = walk.known.get(pair);
  if (known) return known;
  walk.known.set(pair, []);
  const place = before.$ref === after.$ref ? nameOf(before.$ref) : walk.place;
  const changes = compareParts(before, after, { ...walk, place });
  walk.known.set(pair, changes);
  return changes;
}

function compareParts(before: JsonSchema, after: JsonSchema, walk: Walk): string[] {
  return [
    ...compareValues(before, after, walk),
    ...(walk.side === 'request' ? compareLimits(before, after, walk) : []),
    ...compareForms(before, after, walk),
    ...compareMembers(before, after, walk),
    ...compareRequired(before, after, walk),
    ...compareOtherMembers(before, after, walk),
    ...compareItems(before, after, walk),
  ];
}

function compareValues(before: JsonSchema, after: JsonSchema, { side, place }: Walk): string[] {
  const [wide, narrow] = side === 'request' ? [after, before] : [before, after];
  if (!wide.enum) return [];
  const word = side === 'request' ? 'no longer takes' : 'can be';
  if (!narrow.enum) return [`${place}: ${word} ${side === 'request' ? 'every value' : 'any value now'}`];
  return narrow.enum
    .filter((value) => value !== null && !wide.enum?.includes(value))
    .map((value) => `${place}: ${word} ${JSON.stringify(value)}${side === 'request' ? '' : ' now'}`);
}

const leasts = ['minimum', 'minLength', 'minItems', 'minProperties'] as const;
const mosts = ['maximum', 'maxLength', 'maxItems', 'maxProperties'] as const;

function compareLimits(before: JsonSchema, after: JsonSchema, { place }: Walk): string[] {
  const tighter = [
    ...leasts.filter((name) => (after[name] ?? -Infinity) > (before[name] ?? -Infinity)),
    ...mosts.filter((name) => (after[name] ?? Infinity) < (before[name] ?? Infinity)),
  ].map(
    (name) => `${place}: ${name} is ${String(after[name])}, was ${String(before[name] ?? 'not limited')}`,
  );
  const distinct = after.uniqueItems === true && before.uniqueItems !== true;
  return distinct ? [...tighter, `${place}: items have to be distinct`] : tighter;
}

function compareForms(before: JsonSchema, after: JsonSchema, { side, place }: Walk): string[] {
  const [wide, narrow] = side === 'request' ? [after, before] : [before, after];
  return (['pattern', 'format'] as const)
    .filter((name) => wide[name] !== undefined && wide[name] !== narrow[name])
    .map((name) => `${place}: ${name} is ${after[name] ?? 'none'}, was ${before[name] ?? 'none'}`);
}

function compareMembers(before: JsonSchema, after: JsonSchema, walk: Walk): string[] {
  return Object.entries(before.properties ?? {}).flatMap(([name, member]) => {
    const place = `${walk.place}.${name}`;
    const other = after.properties?.[name];
    if (other) return compareSchemas(member, other, { ...walk, place });
    return walk.side === 'answer' || after.additionalProperties === false ? [`${place}: removed`] : [];
  });
}

function compareRequired(before: JsonSchema, after: JsonSchema, { side, place }: Walk): string[] {
  const { required: olds = [] } = before;
  const { required: news = [] } = after;
  if (side === 'request')
    return news.filter((name) => !olds.includes(name)).map((name) => `${place}.${name}: required now`);
  return olds
    .filter((name) => !news.includes(name) && after.properties?.[name])
    .map((name) => `${place}.${name}: may be missing now`);
}

/** Members that have no name in the schema: of maps, and of objects that are open. */
function compareOtherMembers(before: JsonSchema, after: JsonSchema, walk: Walk): string[] {
  const olds = before.additionalProperties ?? true;
  const news = after.additionalProperties ?? true;
  const place = `${walk.place}.*`;
  if (typeof olds === 'object' && typeof news === 'object')
    return compareSchemas(olds, news, { ...walk, place });
  if (before.type !== 'object' || olds === news) return [];
  if (walk.side === 'answer') return news === true ? [`${place}: can be any value now`] : [];
  if (news === true || olds === false) return [];
  return [`${place}: ${news === false ? 'no longer taken' : 'no longer takes every value'}`];
}

function compareItems(before: JsonSchema, after: JsonSchema, walk: Walk): string[] {
  if (before.type !== 'array') return [];
  return compareSchemas(before.items ?? {}, after.items ?? {}, { ...walk, place: `${walk.place}[]` });
}

function compareDefaults(before: JsonSchema, after: JsonSchema, { side, place }: Walk): string[] {
  const [was, is] = [defaultOf(before), defaultOf(after)];
  return side === 'answer' || was === is ? [] : [`${place}: the default is ${is}, was ${was}`];
}

function defaultOf(schema: JsonSchema): string {
  return schema.default === undefined ? 'none' : JSON.stringify(schema.default);
}

function componentOf($ref: string, schemas: Schemas): JsonSchema {
  const found = schemas[nameOf($ref)];
  if (!found) throw new Error(`The document has no ${$ref}`);
  return found;
}

function nameOf($ref: string): string {
  return $ref.split('/').at(-1) ?? $ref;
}
