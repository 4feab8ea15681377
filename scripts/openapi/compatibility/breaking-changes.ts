import type { JsonSchema } from '../../../packages/api-contract/src/json-schema.js';
import type {
  OpenApiContent,
  OpenApiDocument,
  OpenApiOperation,
  OpenApiParameter,
  OpenApiResponse,
} from '../../../packages/api-contract/src/openapi-document.js';
import { compareSchemas, type Side } from './compare-schemas.js';

/** Compares what stands at a place of the two documents. */
type Compare = (before: JsonSchema, after: JsonSchema, side: Side, place: string) => string[];

interface Documents {
  before: OpenApiDocument;
  after: OpenApiDocument;
  compare: Compare;
}

/**
 * What someone who wrote a program by the document `before` has to change for `after`, a sorted line each. A component's
 * change is told once, under its name. `docs/api/compatibility.md` lists the rules.
 */
export function breakingChanges(before: OpenApiDocument, after: OpenApiDocument): string[] {
  const schemas = { before: before.components.schemas, after: after.components.schemas };
  const known = new Map<string, string[]>();
  const documents: Documents = {
    before,
    after,
    compare: (old, now, side, place) => compareSchemas(old, now, { side, place, schemas, known }),
  };
  return [...new Set([...comparePaths(documents), ...compareWebhooks(documents)])].sort();
}

function comparePaths(documents: Documents): string[] {
  return Object.entries(documents.before.paths).flatMap(([path, methods]) =>
    Object.entries(methods).flatMap(([method, before]) => {
      const place = `${method.toUpperCase()} ${path}`;
      const after = documents.after.paths[path]?.[method];
      return after ? compareOperations(before, after, place, documents) : [`${place}: removed`];
    }),
  );
}

function compareOperations(
  before: OpenApiOperation,
  after: OpenApiOperation,
  place: string,
  documents: Documents,
): string[] {
  const renamed = before.operationId !== after.operationId;
  return [
    ...(renamed ? [`${place}: operationId is ${after.operationId}, was ${before.operationId}`] : []),
    ...compareSecurity(before.security, after.security, place),
    ...compareParameters(before.parameters ?? [], after.parameters ?? [], place, documents.compare),
    ...compareBodies(before.requestBody, after.requestBody, `${place} body`, documents.compare),
    ...compareResponses(before.responses, after.responses, place, documents),
  ];
}

type Security = OpenApiOperation['security'];

/** Whoever could ask can still ask, by the same scope. That nothing is asked for any more has to be declared as well. */
function compareSecurity(before: Security, after: Security, place: string): string[] {
  if (before.length === 0) return after.length === 0 ? [] : [`${place}: no longer open to anyone`];
  if (after.length === 0) return [`${place}: open to anyone now`];
  return before
    .filter((old) => !after.some((now) => isEnough(old, now)))
    .map((old) => `${place}: no longer enough: ${describeCredential(old)}`);
}

/** Whether whoever has what `held` lists has all that `asked` lists; the scope `admin` holds the others. */
function isEnough(held: Security[number], asked: Security[number]): boolean {
  return Object.entries(asked).every(([scheme, scopes]) => {
    const own = held[scheme];
    return own !== undefined && scopes.every((scope) => own.includes(scope) || own.includes('admin'));
  });
}

function describeCredential(credential: Security[number]): string {
  return Object.entries(credential)
    .map(([scheme, scopes]) => [scheme, ...scopes].join(' '))
    .join(' and ');
}

function compareParameters(
  before: readonly OpenApiParameter[],
  after: readonly OpenApiParameter[],
  operation: string,
  compare: Compare,
): string[] {
  const same = (one: OpenApiParameter) => (other: OpenApiParameter) =>
    one.name === other.name && one.in === other.in;
  const placeOf = ({ name, in: place }: OpenApiParameter) => `${operation} ${place} ${name}`;
  const kept = before.flatMap((old) => {
    const now = after.find(same(old));
    if (!now) return [`${placeOf(old)}: removed`];
    const required = now.required && !old.required ? [`${placeOf(old)}: required now`] : [];
    return [...required, ...compare(old.schema, now.schema, 'request', placeOf(old))];
  });
  const demanded = after.filter((now) => now.required && !before.some(same(now)));
  return [...kept, ...demanded.map((now) => `${placeOf(now)}: required now`)];
}

function compareBodies(
  before: OpenApiOperation['requestBody'],
  after: OpenApiOperation['requestBody'],
  place: string,
  compare: Compare,
): string[] {
  if (!before) return after?.required === true ? [`${place}: required now`] : [];
  if (!after) return [`${place}: removed`];
  const required = after.required && !before.required ? [`${place}: required now`] : [];
  return [...required, ...compareContent(before.content, after.content, 'request', place, compare)];
}

function compareResponses(
  before: OpenApiOperation['responses'],
  after: OpenApiOperation['responses'],
  operation: string,
  documents: Documents,
): string[] {
  return Object.entries(before).flatMap(([status, old]) => {
    const place = `${operation} ${status}`;
    const now = after[status];
    if (!now) return [`${place}: removed`];
    const [was, is] = [responseOf(old, documents.before), responseOf(now, documents.after)];
    const headers = Object.keys(was.headers ?? {}).filter((name) => is.headers?.[name] === undefined);
    return [
      ...headers.map((name) => `${place} header ${name}: removed`),
      ...compareContent(was.content ?? {}, is.content ?? {}, 'answer', place, documents.compare),
    ];
  });
}

function responseOf(
  response: OpenApiOperation['responses'][string],
  { components }: OpenApiDocument,
): OpenApiResponse {
  if (!('$ref' in response)) return response;
  const found = components.responses[response.$ref.split('/').at(-1) ?? ''];
  if (!found) throw new Error(`The document has no ${response.$ref}`);
  return found;
}

function compareContent(
  before: OpenApiContent,
  after: OpenApiContent,
  side: Side,
  place: string,
  compare: Compare,
): string[] {
  return Object.entries(before).flatMap(([mediaType, old]) => {
    const now = after[mediaType];
    return now ? compare(old.schema, now.schema, side, place) : [`${place}: ${mediaType} removed`];
  });
}

/** What Posthorn sends by itself: its receivers read it like an answer. */
function compareWebhooks({ before, after, compare }: Documents): string[] {
  return Object.entries(before.webhooks).flatMap(([type, old]) => {
    const now = after.webhooks[type];
    if (!now) return [`event ${type}: removed`];
    return compareContent(
      old.post.requestBody.content,
      now.post.requestBody.content,
      'answer',
      `event ${type}`,
      compare,
    );
  });
}
