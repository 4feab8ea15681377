import fc from 'fast-check';

import { hostileJson, hostileNames, hostileTexts, hostileValue } from './hostile-values.js';

/** What one request is made of, but for the ids that the server has given out. */
export interface Plan {
  /** Seed of what is generated from schemas. */
  seed: number;
  /** Picks among ids that are known, and members that can be broken. */
  picks: number[];
  credential: Credential;
  /** What is wrong with it on purpose; empty: nothing. */
  faults: readonly Fault[];
}

const credentials = [
  // A key with every scope, or a session where only that is taken.
  'who may',
  'read key',
  'deliveries key',
  'write key',
  'restricted key',
  'portal session',
  'none',
  'unknown',
  'garbage',
] as const;
export type Credential = (typeof credentials)[number];

export type Fault =
  /** In the body, before it is written: another value, a member less, a member more. */
  | { kind: 'value'; value: unknown }
  | { kind: 'missing' }
  | { kind: 'member'; name: string; value: unknown }
  /** In the body's text. */
  | { kind: 'json'; text: string }
  | { kind: 'text'; change: 'cut' | 'tail' | 'mark' | 'bytes' | 'empty' | 'absent' | 'large' }
  | { kind: 'header'; name: string; value: string | string[] }
  /** In place of a parameter of the path, as it is written there. */
  | { kind: 'path'; text: string }
  | { kind: 'trailing'; text: string }
  | { kind: 'query'; text: string }
  | { kind: 'method'; method: string };

/** Plans in a row; the same seed gives the same ones. */
export function plansOf(seed: number, count: number): Plan[] {
  return fc.sample(plan, { seed, numRuns: count });
}

const textOf = (text: string) => encodeURIComponent(text.replace(/\p{Surrogate}/gu, '�'));

const cursorOf = (position: unknown) => Buffer.from(JSON.stringify(position)).toString('base64url');

const hostileCursors = [
  'x',
  'AAAA',
  cursorOf([]),
  cursorOf({}),
  cursorOf('x'),
  cursorOf([null]),
  ...['\0', 'a\0b', ...hostileTexts.slice(2, 12)].flatMap((text) => [
    cursorOf([text]),
    cursorOf([text, text]),
  ]),
  ...[
    '0',
    '-1',
    '999999999999999999999',
    '2026-01-01T00:00:00Z',
    '00000000-0000-0000-0000-000000000000',
  ].flatMap((text) => [cursorOf([text]), cursorOf([text, text]), cursorOf([text, text, text])]),
];

const queries = [
  ...['-1', '0', '251', '1e2', '0x10', '1.5', 'NaN', '', '%00', '99999999999999999999', '%205', '%D9%A1'].map(
    (limit) => `limit=${limit}`,
  ),
  'limit=1&limit=2',
  'limit[]=1',
  'limit[a]=1',
  '__proto__=1',
  '__proto__[limit]=1',
  'constructor=1',
  'toString=1',
  'unknown=1',
  '=',
  '&&&',
  '%',
  '%zz=%ff',
  '%00=%00',
  'a;b=c',
  'customerId=%ff%fe',
  'customerId=acme&customerId=other',
  'since=+',
  'x'.repeat(9_000),
  ...hostileCursors.map((cursor) => `cursor=${cursor}`),
  ...hostileTexts.flatMap((text) => [
    `customerId=${textOf(text)}`,
    `since=${textOf(text)}`,
    `until=${textOf(text)}`,
    `type=${textOf(text)}`,
  ]),
];

const paths = [
  '',
  '%',
  '%zz',
  '%00',
  '%ff%fe',
  '%c0%af',
  '%2f',
  '..%2f..',
  '.',
  '..',
  '%2e%2e',
  'a;b=c',
  'a%0d%0aX-Injected:%201',
  '*',
  ':endpointId',
  '{endpointId}',
  '\u00ff',
  'x'.repeat(9_000),
  ...hostileTexts.map(textOf),
];

const fault: fc.Arbitrary<Fault> = fc.oneof(
  { weight: 14, arbitrary: fc.record({ kind: fc.constant('value' as const), value: hostileValue }) },
  { weight: 2, arbitrary: fc.constant({ kind: 'missing' as const }) },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('member' as const),
      name: fc.constantFrom(...hostileNames),
      value: hostileValue,
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant('json' as const), text: fc.constantFrom(...hostileJson) }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('text' as const),
      change: fc.constantFrom('cut', 'tail', 'mark', 'bytes', 'empty', 'absent', 'large'),
    }),
  },
  {
    weight: 3,
    arbitrary: fc
      .constantFrom<[string, string | string[]]>(
        ['content-type', 'text/plain'],
        ['content-type', ''],
        ['content-type', 'application/json; charset=latin1'],
        ['content-type', 'application/json;;=;charset="'],
        ['content-type', 'multipart/form-data'],
        ['content-type', `application/json${' '.repeat(5_000)}`],
        ['content-encoding', 'gzip'],
        ['content-encoding', '\u00ff'],
        ['idempotency-key', 'same'],
        ['idempotency-key', ''],
        ['idempotency-key', '\u00e4'],
        ['idempotency-key', 'x'.repeat(256)],
        ['idempotency-key', ['a', 'b']],
        ['x-request-id', 'x'.repeat(200)],
        ['x-request-id', '"><script>'],
        ['x-request-id', ['a', 'b']],
        ['authorization', 'Bearer'],
        ['authorization', 'Basic YTpi'],
        ['authorization', `Bearer ${'x'.repeat(9_000)}`],
        ['authorization', 'Bearer \u00ff'],
        ['accept', 'text/html'],
        ['accept-encoding', 'br;q=2'],
        ['user-agent', '\u00ff'.repeat(600)],
        ['host', 'a b'],
        ['host', 'evil.example:99999'],
        ['origin', 'https://evil.example'],
        ['x-forwarded-for', '\u00ff, 1.2.3.4'],
        ['expect', '200-maybe'],
        ['upgrade', 'h2c'],
        ['cookie', '__proto__=1'],
      )
      .map(([name, value]) => ({ kind: 'header' as const, name, value })),
  },
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constant('path' as const), text: fc.constantFrom(...paths) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('trailing' as const),
      text: fc.constantFrom('/', '//', '/x', '/%', ';a', '/..', '%20', '#a'),
    }),
  },
  {
    weight: 5,
    arbitrary: fc.record({ kind: fc.constant('query' as const), text: fc.constantFrom(...queries) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('method' as const),
      method: fc.constantFrom('HEAD', 'OPTIONS', 'TRACE', 'PATCH', 'PUT', 'DELETE', 'GET', 'POST', 'SEARCH'),
    }),
  },
);

const plan: fc.Arbitrary<Plan> = fc.record({
  seed: fc.nat(),
  picks: fc.array(fc.nat(), { minLength: 12, maxLength: 12 }),
  credential: fc.oneof(
    { weight: 30, arbitrary: fc.constant('who may' as const) },
    { weight: 4, arbitrary: fc.constantFrom(...credentials) },
  ),
  faults: fc.oneof(
    { weight: 4, arbitrary: fc.constant<readonly Fault[]>([]) },
    { weight: 6, arbitrary: fc.array(fault, { minLength: 1, maxLength: 2 }) },
  ),
});
