import { buildOpenApi, type Operation, operationList, validateValue } from '@posthorn/api-contract';
import { describe, expect, it } from '@jest/globals';
import { Ajv2020 } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';

const document = buildOpenApi();
const ajv = new Ajv2020({ strict: false });
addFormats.default(ajv);
ajv.addSchema({ $id: 'api', components: document.components });

/**
 * Rules that JSON Schema has no word for: the document says them in the description. By member, with the values that only
 * the server refuses.
 */
const inWordsOnly: readonly { path: RegExp; why: string }[] = [
  {
    path: /^(?:url|notificationUrl)$/,
    why: 'whether a host and a port can be read as such',
  },
  { path: /^retryPolicy(?:$|\.)/, why: 'which delays make sense together' },
  {
    path: /^headers$/,
    why: 'their size together, and names that differ in case only',
  },
];

type Json = null | boolean | number | string | Json[] | { [name: string]: Json };

const wrong: readonly Json[] = [
  ...[null, true, false, 0, 1, -1, 0.5, 2, 51, 1_001, 86_401, 604_801, 1_000_001],
  ...[2 ** 53, -(2 ** 53), 1e300, 1e-7],
  ...[
    '',
    ' ',
    'a',
    'A.b',
    '*',
    'a.*',
    '*.a',
    'a..b',
    '.a',
    'a b',
    'é',
    '😀',
    'a\0b',
    'a\nb',
    'a:b',
    '********',
  ],
  ...['posthorn', 'posthorn.x', 'POSTHORN.x', 'posthorn.*', 'true', '1'],
  ...[64, 65, 128, 129, 200, 201, 255, 256, 500, 501, 2_000, 2_001].map((length) => 'x'.repeat(length)),
  // Characters that are two in UTF-16.
  ...[64, 65, 128, 129, 200, 201, 255, 256, 500, 501, 2_048, 2_049].map((length) => '😀'.repeat(length)),
  ...['2026-01-31T12:00:00Z', '2026-01-31T12:00:00.123456789+23:59', '2026-02-30T12:00:00Z', '2026-01-31'],
  ...['2026-01-31T12:00:60Z', '2016-12-31T23:59:60Z', '2026-01-31T24:00:00Z', '2026-01-31 12:00:00Z'],
  ...['2026-01-31T12:00:00', '0000-01-01T00:00:00Z', '0001-01-01T00:00:00Z', '9999-12-31T23:59:59.999Z'],
  ...[
    'ep_01h455vb4pex5vsknk084sn02q',
    'evt_01h455vb4pex5vsknk084sn02q',
    'ep_81h455vb4pex5vsknk084sn02q',
    'ep_',
  ],
  `whsec_${'A'.repeat(32)}`,
  `whsec_${'A'.repeat(28)}`,
  `whsec_${'A'.repeat(33)}`,
  `whsec_${'A'.repeat(43)}=`,
  `whsec_${'A'.repeat(42)}==`,
  `whsec_${'A'.repeat(42)}B=`,
  `whsec_${'A'.repeat(41)}B==`,
  `whsec_${'A'.repeat(86)}==`,
  `whsec_${'A'.repeat(88)}`,
  ...[[], [1], ['a'], ['a', 'a'], ['a.*', 'b'], [null], Array.from({ length: 101 }, (_, n) => `t${n}`)],
  ...[
    {},
    { a: 1 },
    { a: 'b' },
    { 'X-Team': 'blue' },
    { Host: 'a' },
    { Webhook_Signature: 'a' },
    { 'a b': 'c' },
  ],
  ...[{ 'X-A': ' b' }, { 'X-A': 'é' }, { 'X-A': 'a\nb' }, { 'X-A': '********' }, { 'X-A': '' }, { '': 'a' }],
  ...[
    { 'proxy-x': 'a' },
    { TE: 'a' },
    { 'X-A': null },
    { a: 2 ** 53 },
    { a: -(2 ** 53) },
    { a: 1.5 },
    { a: null },
  ],
  ...[
    { ['k'.repeat(65)]: 1 },
    { ['😀'.repeat(64)]: 1 },
    { ['😀'.repeat(65)]: 1 },
    { a: 'x'.repeat(501) },
    { a: [] },
    { 'a\0': 1 },
  ],
  Object.fromEntries(Array.from({ length: 51 }, (_, n) => [`k${n}`, 'v'])),
  ...[
    { scheme: 'digest' },
    { scheme: 'digest', algorithm: 'sha256' },
    { scheme: 'standard', algorithm: 'sha256' },
  ],
  ...[{ algorithm: 'sha256' }, { max: 1 }, { max: 1, perSeconds: 1 }, { max: 0, perSeconds: 1 }],
];

interface Change {
  /** Of the member that is changed. */
  path: string;
  /** What stands there instead, in short. */
  change: string;
  /** The whole. */
  value: Json;
}

const shown = (value: Json) => JSON.stringify(value).slice(0, 80);

/** The value, and the value with one of its members, at any depth, replaced, removed or added. */
function* changed(value: Json, path: string[] = []): Generator<Change> {
  for (const other of wrong) yield { path: path.join('.'), change: shown(other), value: other };
  if (Array.isArray(value)) {
    for (const [index, item] of value.entries())
      for (const one of changed(item, [...path, String(index)]))
        yield {
          ...one,
          value: value.map((kept, at) => (at === index ? one.value : kept)),
        };
  } else if (typeof value === 'object' && value !== null) {
    yield { path: path.join('.'), change: 'with an unknown member', value: { ...value, unknownMember: 1 } };
    for (const [name, member] of Object.entries(value)) {
      const { [name]: _removed, ...rest } = value;
      yield { path: [...path, name].join('.'), change: 'left out', value: rest };
      for (const one of changed(member, [...path, name]))
        yield { ...one, value: { ...value, [name]: one.value } };
    }
  }
}

interface Subject {
  name: string;
  takes(value: Json): boolean;
  documents(value: Json): boolean;
  example: Json;
}

const compile = (schema: object) =>
  ajv.compile(JSON.parse(JSON.stringify(schema).replaceAll('"#/', '"api#/')) as object);

/** Members that the examples leave out. */
const alsoGiven: Record<string, { [name: string]: Json }> = {
  createEvent: { externalId: 'a', timestamp: '2026-01-31T12:00:00Z' },
  createEvents: {},
  deliverWebhook: { headers: { 'X-Team': 'blue' } },
  createEndpoint: {
    description: 'a',
    headers: { 'X-Team': 'blue' },
    signing: { scheme: 'digest', algorithm: 'sha256' },
    maxInFlight: 1,
    rateLimit: { max: 1, perSeconds: 1 },
  },
  patchEndpoint: {
    url: 'https://example.com/',
    eventTypes: ['a'],
    description: 'a',
    headers: { 'X-Team': 'blue' },
    maxInFlight: 1,
    rateLimit: { max: 1 },
  },
  putCustomer: {
    name: 'a',
    metadata: { plan: 'pro', seats: 12, trial: true },
    notificationUrl: 'https://example.com/',
    limits: {
      maxInFlight: 1,
      rateLimit: { max: 1, perSeconds: 1 },
      maxEndpoints: 1,
    },
  },
  rotateSecret: { secret: `whsec_${'A'.repeat(43)}=` },
  rotateOneShotSecret: { secret: `whsec_${'A'.repeat(43)}=` },
  cancelDeliveries: { since: '2026-01-31T12:00:00Z', type: 'a', dryRun: true },
  createReplay: {
    until: '2026-01-31T12:00:00Z',
    dryRun: true,
    endpointId: 'ep_01h455vb4pex5vsknk084sn02q',
  },
  createApiKey: {
    name: 'a',
    customerId: 'acme',
    rateLimit: { max: 1, perSeconds: 1 },
  },
  patchApiKey: { name: 'a', rateLimit: { max: 1 } },
};

function subjectsOf(operation: Operation): Subject[] {
  const { operationId, method, path, body, documentedBody = body, example, headers = {} } = operation;
  const described = document.paths[path]![method]!;
  const subjects: Subject[] = [];
  if (documentedBody) {
    const validate = compile(Object.values(described.requestBody!.content)[0]!.schema);
    subjects.push({
      name: 'body',
      takes: (value) => validateValue(documentedBody, value, { convert: false }).ok,
      documents: (value) => validate(value),
      example: { ...(example as object), ...alsoGiven[operationId] },
    });
  }
  for (const { name, in: place, schema, example: shown, required } of described.parameters ?? []) {
    const validate = compile(schema);
    const joi = place === 'path' ? operation.params : operation.query;
    const given = place === 'path' ? described.parameters!.filter((one) => one.in === 'path') : [];
    const others = Object.fromEntries(given.map((one) => [one.name, one.example]));
    subjects.push({
      name: `${place} ${name}`,
      takes: (value) =>
        place === 'header'
          ? validateValue(headers[name]!, value, { convert: false }).ok
          : validateValue(joi, { ...others, [name]: value }, { convert: false }).ok,
      documents: (value) => validate(value),
      example: shown ?? (required ? '' : 'a'),
    });
  }
  return subjects;
}

describe('the document and the server', () => {
  const cases = operationList.flatMap((operation) =>
    subjectsOf(operation).map((subject) => [`${operation.operationId} ${subject.name}`, subject] as const),
  );

  it.each(cases)('say the same of %s', (name, { takes, documents, example }) => {
    if (name.endsWith(' body')) expect([takes(example), documents(example)]).toEqual([true, true]);
    const apart: string[] = [];
    let values = 0;
    for (const { path, change, value } of changed(example)) {
      values += 1;
      const [server, written] = [takes(value), documents(value)];
      if (server === written) continue;
      // What JSON Schema cannot say only ever has the server refuse more.
      if (written && inWordsOnly.some((rule) => rule.path.test(path))) continue;
      const place = path === '' ? change : `${path} ${change}`;
      apart.push(
        server
          ? `${place}: the server takes it, the document does not`
          : `${place}: the document takes it, the server does not`,
      );
    }
    expect(values).toBeGreaterThanOrEqual(wrong.length);
    expect(apart).toEqual([]);
  });
});
