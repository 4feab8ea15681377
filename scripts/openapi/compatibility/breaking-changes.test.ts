import { describe, expect, it } from '@jest/globals';

import type { JsonSchema } from '../../../packages/api-contract/src/json-schema.js';
import { buildOpenApi } from '../../../packages/api-contract/src/openapi.js';
import type {
  OpenApiDocument,
  OpenApiOperation,
} from '../../../packages/api-contract/src/openapi-document.js';
import { breakingChanges } from './breaking-changes.js';

/** A document with one operation that takes and answers a thing. */
function documentOf({
  request = { type: 'object', properties: {}, additionalProperties: false },
  answer = { type: 'object', properties: {} },
  operation = {},
  sent = { type: 'object' },
}: {
  request?: JsonSchema;
  answer?: JsonSchema;
  operation?: Partial<OpenApiOperation>;
  sent?: JsonSchema;
} = {}): OpenApiDocument {
  const document = buildOpenApi();
  return {
    ...document,
    paths: {
      '/things': {
        post: {
          operationId: 'createThing',
          summary: 'Create a thing',
          description: '',
          tags: [],
          security: [{ apiKey: ['read'] }, { portalSession: [] }],
          parameters: [{ name: 'limit', in: 'query', required: false, schema: { type: 'integer' } }],
          requestBody: {
            required: false,
            content: { 'application/json': { schema: { $ref: '#/components/schemas/ThingInput' } } },
          },
          responses: {
            200: {
              description: 'The thing.',
              headers: { 'X-Request-Id': { schema: { type: 'string' } } },
              content: { 'application/json': { schema: { $ref: '#/components/schemas/Thing' } } },
            },
            404: { $ref: '#/components/responses/NotFound' },
          },
          ...operation,
        },
      },
    },
    webhooks: {
      'thing.made': {
        post: {
          summary: '',
          description: '',
          tags: [],
          requestBody: { required: true, content: { 'application/json': { schema: sent } } },
          responses: {},
        },
      },
    },
    components: {
      ...document.components,
      schemas: { ...document.components.schemas, ThingInput: request, Thing: answer },
    },
  };
}

const content = (schema: JsonSchema, mediaType = 'application/json') => ({ [mediaType]: { schema } });
const closed = (properties: Record<string, JsonSchema>, required: string[] = []): JsonSchema => ({
  type: 'object',
  properties,
  required,
  additionalProperties: false,
});
const member = (schema: JsonSchema) => closed({ a: schema });
const answering = (schema: JsonSchema): JsonSchema => ({
  type: 'object',
  properties: { a: schema },
  required: ['a'],
});

type Rule = [name: string, before: JsonSchema, after: JsonSchema, says: string];

/** Of what callers send: `before` to `after` breaks, `after` to `before` does not. */
const requestRules: Rule[] = [
  ['a member is removed', member({ type: 'string' }), closed({}), 'ThingInput.a: removed'],
  [
    'a member is required',
    member({ type: 'string' }),
    closed({ a: { type: 'string' } }, ['a']),
    'ThingInput.a: required now',
  ],
  ['members without a name are refused', { type: 'object' }, closed({}), 'ThingInput.*: no longer taken'],
  [
    'values of a map are narrowed',
    { type: 'object', additionalProperties: { type: 'number' } },
    { type: 'object', additionalProperties: { type: 'integer' } },
    'ThingInput.*: no longer takes number',
  ],
  [
    'a map takes some values only',
    { type: 'object' },
    { type: 'object', additionalProperties: { type: 'integer' } },
    'ThingInput.*: no longer takes every value',
  ],
  [
    'a type is removed',
    member({ type: ['string', 'null'] }),
    member({ type: 'string' }),
    'ThingInput.a: no longer takes null',
  ],
  [
    'a number has to be whole',
    member({ type: 'number' }),
    member({ type: 'integer' }),
    'ThingInput.a: no longer takes number',
  ],
  [
    'any value becomes one type',
    member({}),
    member({ type: 'string' }),
    'ThingInput.a: no longer takes any value',
  ],
  [
    'an alternative is removed',
    member({ anyOf: [{ type: 'string' }, { type: 'boolean' }] }),
    member({ type: 'string' }),
    'ThingInput.a: no longer takes boolean',
  ],
  [
    'a value is removed',
    member({ type: 'string', enum: ['x', 'y'] }),
    member({ type: 'string', enum: ['x'] }),
    'ThingInput.a: no longer takes "y"',
  ],
  [
    'values are listed',
    member({ type: 'string' }),
    member({ type: 'string', enum: ['x'] }),
    'ThingInput.a: no longer takes every value',
  ],
  [
    'a maximum is lowered',
    member({ type: 'integer', maximum: 10 }),
    member({ type: 'integer', maximum: 9 }),
    'ThingInput.a: maximum is 9, was 10',
  ],
  [
    'a minimum is set',
    member({ type: 'integer' }),
    member({ type: 'integer', minimum: 0 }),
    'ThingInput.a: minimum is 0, was not limited',
  ],
  [
    'a text has to be shorter',
    member({ type: 'string', maxLength: 10 }),
    member({ type: 'string', maxLength: 9 }),
    'ThingInput.a: maxLength is 9, was 10',
  ],
  [
    'a text has to be longer',
    member({ type: 'string' }),
    member({ type: 'string', minLength: 1 }),
    'ThingInput.a: minLength is 1, was not limited',
  ],
  [
    'a list has to have more items',
    member({ type: 'array' }),
    member({ type: 'array', minItems: 1 }),
    'ThingInput.a: minItems is 1, was not limited',
  ],
  [
    'a list has to have fewer items',
    member({ type: 'array', maxItems: 3 }),
    member({ type: 'array', maxItems: 2 }),
    'ThingInput.a: maxItems is 2, was 3',
  ],
  [
    'an object has to have more members',
    member({ type: 'object' }),
    member({ type: 'object', minProperties: 1 }),
    'ThingInput.a: minProperties is 1, was not limited',
  ],
  [
    'an object has to have fewer members',
    member({ type: 'object' }),
    member({ type: 'object', maxProperties: 1 }),
    'ThingInput.a: maxProperties is 1, was not limited',
  ],
  [
    'items have to be distinct',
    member({ type: 'array' }),
    member({ type: 'array', uniqueItems: true }),
    'ThingInput.a: items have to be distinct',
  ],
  [
    'items are narrowed',
    member({ type: 'array', items: { type: ['string', 'null'] } }),
    member({ type: 'array', items: { type: 'string' } }),
    'ThingInput.a[]: no longer takes null',
  ],
  [
    'a pattern is set',
    member({ type: 'string' }),
    member({ type: 'string', pattern: '^a' }),
    'ThingInput.a: pattern is ^a, was none',
  ],
  [
    'a format is set',
    member({ type: 'string' }),
    member({ type: 'string', format: 'uri' }),
    'ThingInput.a: format is uri, was none',
  ],
];

describe('of requests, it breaks callers when', () => {
  it.each(requestRules)('%s, and not the other way round', (_name, before, after, says) => {
    const [old, now] = [documentOf({ request: before }), documentOf({ request: after })];
    expect(breakingChanges(old, now)).toEqual([says]);
    expect(breakingChanges(now, old)).toEqual([]);
  });

  it('a default or a pattern changes, to either side', () => {
    for (const [before, after] of [
      [{ default: 'x' }, { default: 'y' }],
      [{ default: 'x' }, {}],
      [{ pattern: '^x' }, { pattern: '^y' }],
    ] as const) {
      const old = documentOf({ request: member({ type: 'string', ...before }) });
      const now = documentOf({ request: member({ type: 'string', ...after }) });
      expect(breakingChanges(old, now)).toHaveLength(1);
    }
  });

  it('but not when an optional member, a description or an example is new', () => {
    const now = documentOf({ request: closed({ a: { type: 'string', description: 'New.' } }) });
    expect(breakingChanges(documentOf(), now)).toEqual([]);
  });
});

/** Of what callers get. */
const answerRules: Rule[] = [
  [
    'a member is removed',
    answering({ type: 'string' }),
    { type: 'object', properties: {} },
    'Thing.a: removed',
  ],
  [
    'a member may be missing',
    answering({ type: 'string' }),
    { type: 'object', properties: { a: { type: 'string' } } },
    'Thing.a: may be missing now',
  ],
  [
    'a member can be null',
    answering({ type: 'string' }),
    answering({ type: ['string', 'null'] }),
    'Thing.a: can be null now',
  ],
  [
    'a number need not be whole',
    answering({ type: 'integer' }),
    answering({ type: 'number' }),
    'Thing.a: can be number now',
  ],
  ['a member can be anything', answering({ type: 'string' }), answering({}), 'Thing.a: can be any value now'],
  [
    'an alternative is new',
    answering({ type: 'string' }),
    answering({ anyOf: [{ type: 'string' }, { type: 'boolean' }] }),
    'Thing.a: can be boolean now',
  ],
  [
    'a value is new',
    answering({ type: 'string', enum: ['x', null] }),
    answering({ type: 'string', enum: ['x', 'y', null] }),
    'Thing.a: can be "y" now',
  ],
  [
    'values are no longer listed',
    answering({ type: 'string', enum: ['x'] }),
    answering({ type: 'string' }),
    'Thing.a: can be any value now',
  ],
  [
    'a form is given up',
    answering({ type: 'string', format: 'date-time' }),
    answering({ type: 'string' }),
    'Thing.a: format is none, was date-time',
  ],
  [
    'items can be something else',
    answering({ type: 'array', items: { type: 'string' } }),
    answering({ type: 'array', items: { type: ['string', 'null'] } }),
    'Thing.a[]: can be null now',
  ],
  [
    'values of a map can be anything',
    { type: 'object', additionalProperties: { type: 'string' } },
    { type: 'object' },
    'Thing.*: can be any value now',
  ],
  [
    'values of a map can be something else',
    { type: 'object', additionalProperties: { type: 'string' } },
    { type: 'object', additionalProperties: { type: ['string', 'null'] } },
    'Thing.*: can be null now',
  ],
];

describe('of answers, it breaks callers when', () => {
  it.each(answerRules)('%s, and not the other way round', (_name, before, after, says) => {
    const [old, now] = [documentOf({ answer: before }), documentOf({ answer: after })];
    expect(breakingChanges(old, now)).toEqual([says]);
    expect(breakingChanges(now, old)).toEqual([]);
  });

  it('but not when limits change', () => {
    const old = documentOf({ answer: answering({ type: 'integer', minimum: 1, maximum: 5 }) });
    expect(breakingChanges(old, documentOf({ answer: answering({ type: 'integer' }) }))).toEqual([]);
  });

  it('what Posthorn sends by itself changes, or is sent no more', () => {
    const old = documentOf({ sent: answering({ type: 'string' }) });
    expect(breakingChanges(old, documentOf())).toEqual(['event thing.made.a: removed']);
    expect(breakingChanges(old, { ...documentOf(), webhooks: {} })).toEqual(['event thing.made: removed']);
    expect(breakingChanges({ ...documentOf(), webhooks: {} }, old)).toEqual([]);
  });
});

const text = { type: 'string' } as const;
const NotFound = { $ref: '#/components/responses/NotFound' };
type OperationRule = [
  name: string,
  before: Partial<OpenApiOperation>,
  after: Partial<OpenApiOperation>,
  says: string,
];

const operationRules: OperationRule[] = [
  [
    'a parameter is removed',
    { parameters: [{ name: 'type', in: 'query', required: false, schema: text }] },
    { parameters: [] },
    'POST /things query type: removed',
  ],
  [
    'a parameter is required that was not',
    { parameters: [{ name: 'type', in: 'query', required: false, schema: text }] },
    { parameters: [{ name: 'type', in: 'query', required: true, schema: text }] },
    'POST /things query type: required now',
  ],
  [
    'a parameter is narrowed',
    { parameters: [{ name: 'type', in: 'query', required: false, schema: text }] },
    { parameters: [{ name: 'type', in: 'query', required: false, schema: { ...text, maxLength: 9 } }] },
    'POST /things query type: maxLength is 9, was not limited',
  ],
  [
    'a body is required that was not',
    { requestBody: { required: false, content: content(text) } },
    { requestBody: { required: true, content: content(text) } },
    'POST /things body: required now',
  ],
  [
    'a media type is no longer taken',
    { requestBody: { required: false, content: { ...content(text), ...content(text, 'text/plain') } } },
    { requestBody: { required: false, content: content(text) } },
    'POST /things body: text/plain removed',
  ],
  [
    'a status is removed',
    { responses: { 200: { description: '' }, 404: NotFound } },
    { responses: { 200: { description: '' } } },
    'POST /things 404: removed',
  ],
  [
    'a header of an answer is removed',
    { responses: { 200: { description: '', headers: { ETag: { schema: text } } } } },
    { responses: { 200: { description: '' } } },
    'POST /things 200 header ETag: removed',
  ],
  [
    'an answer loses its body',
    { responses: { 200: { description: '', content: content(text) } } },
    { responses: { 200: { description: '' } } },
    'POST /things 200: application/json removed',
  ],
  [
    'a credential is no longer enough',
    { security: [{ apiKey: ['read'] }, { portalSession: [] }] },
    { security: [{ apiKey: ['read'] }] },
    'POST /things: no longer enough: portalSession',
  ],
  [
    'another scope is asked for',
    { security: [{ apiKey: ['read'] }] },
    { security: [{ apiKey: ['admin'] }] },
    'POST /things: no longer enough: apiKey read',
  ],
];

describe('of an operation, it breaks callers when', () => {
  it.each(operationRules)('%s, and not the other way round', (_name, before, after, says) => {
    const [old, now] = [documentOf({ operation: before }), documentOf({ operation: after })];
    expect(breakingChanges(old, now)).toEqual([says]);
    expect(breakingChanges(now, old)).toEqual([]);
  });

  it('it is removed or gets another operationId, and not when one is new', () => {
    const old = documentOf();
    const none = { ...old, paths: {} };
    expect(breakingChanges(old, none)).toEqual(['POST /things: removed']);
    expect(breakingChanges(none, old)).toEqual([]);
    expect(breakingChanges(old, documentOf({ operation: { operationId: 'makeThing' } }))).toEqual([
      'POST /things: operationId is makeThing, was createThing',
    ]);
  });

  it('a parameter or a body is demanded that was not there', () => {
    const old = documentOf();
    const parameters = [
      ...(old.paths['/things']?.['post']?.parameters ?? []),
      { name: 'type', in: 'query', required: true, schema: text } as const,
    ];
    expect(breakingChanges(old, documentOf({ operation: { parameters } }))).toEqual([
      'POST /things query type: required now',
    ]);
    const { requestBody: _none, ...bare } = old.paths['/things']?.['post'] as OpenApiOperation;
    const without = { ...old, paths: { '/things': { post: bare } } };
    const demanding = documentOf({ operation: { requestBody: { required: true, content: content(text) } } });
    expect(breakingChanges(without, demanding)).toEqual(['POST /things body: required now']);
    expect(breakingChanges(without, old)).toEqual([]);
    expect(breakingChanges(old, without)).toEqual(['POST /things body: removed']);
  });

  it('it is no longer open to anyone, and has to be told when it becomes so', () => {
    const [guarded, open] = [documentOf(), documentOf({ operation: { security: [] } })];
    expect(breakingChanges(open, guarded)).toEqual(['POST /things: no longer open to anyone']);
    expect(breakingChanges(guarded, open)).toEqual(['POST /things: open to anyone now']);
    expect(breakingChanges(open, open)).toEqual([]);
  });
});

describe('of the real document', () => {
  it('nothing differs from itself, after a journey through JSON', () => {
    const document = buildOpenApi();
    expect(breakingChanges(JSON.parse(JSON.stringify(document)) as OpenApiDocument, document)).toEqual([]);
  });

  it('a change of a component is told once, under its name, also where null may stand beside it', () => {
    const before = buildOpenApi();
    const after = JSON.parse(JSON.stringify(before)) as OpenApiDocument;
    const { Delivery, RateLimit } = after.components.schemas as Record<string, { properties: JsonSchema }>;
    delete (Delivery?.properties as Record<string, unknown>)['lastError'];
    delete (RateLimit?.properties as Record<string, unknown>)['perSeconds'];
    expect(breakingChanges(before, after)).toEqual([
      'Delivery.lastError: removed',
      'RateLimit.perSeconds: removed',
    ]);
  });

  it('a component that contains itself is compared all the same', () => {
    const tree: JsonSchema = {
      type: 'object',
      properties: { parts: { type: 'array', items: { $ref: '#/components/schemas/Thing' } }, a: text },
    };
    const bare: JsonSchema = { type: 'object', properties: { parts: tree.properties?.['parts'] ?? {} } };
    expect(breakingChanges(documentOf({ answer: tree }), documentOf({ answer: bare }))).toEqual([
      'Thing.a: removed',
    ]);
  });
});
