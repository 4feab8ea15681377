import { buildOpenApi, type OpenApiDocument } from '@posthorn/api-contract';

import { createAnswerCheck } from '../answer-check.js';
import { buildRequest, type PlacedOperation, type RequestMaterial } from './build-request.js';
import { createKnownThings } from './known-things.js';
import { type Fault, type Plan, plansOf } from './plan.js';
import { createRawSender, type RawRequest, type ReceivedAnswer } from './send-raw.js';
import type { FuzzWorld } from './fuzz-world.js';
import { createValidValues } from './valid-values.js';

export interface FuzzResult {
  requests: number;
  /** How often each operation was answered with each status: `createEvent 202`. */
  seen: Map<string, number>;
  /** What is wrong, with the first request that showed it. */
  problems: FuzzProblem[];
}

export interface FuzzProblem {
  what: string;
  /** Of the first request: `--requests` up to it is enough to see it again. */
  at: number;
  times: number;
  request: string;
  answer: string;
}

export interface FuzzOptions {
  seed: number;
  requests: number;
  /** What is wrong with the requests of a round, in which each operation that takes a body is asked once. Else the seed says it. */
  bodyFaults?: (round: number) => Fault[];
}

/** Sends so many requests, one after the other, and checks every answer by the document. */
export async function runFuzz(
  world: FuzzWorld,
  { seed, requests, bodyFaults }: FuzzOptions,
): Promise<FuzzResult> {
  const document = buildOpenApi();
  const check = createAnswerCheck(document);
  const known = createKnownThings(world.hidden);
  known.learn(world.laidIn);
  const values = createValidValues(document, known, world.urls);
  const operations = operationsOf(document);
  const asked = bodyFaults ? operations.filter(({ operation }) => operation.requestBody) : operations;
  const sender = createRawSender(world.port);
  const seen = new Map<string, number>();
  const problems = new Map<string, FuzzProblem>();
  const note = (what: string, at: number, request: RawRequest, answer: string): void => {
    const known = problems.get(what);
    if (known) known.times += 1;
    else problems.set(what, { what, at, times: 1, request: describeRequest(request), answer });
  };

  let at = 0;
  for (const made of plans(seed, requests)) {
    const plan: Plan = bodyFaults
      ? { ...made, credential: 'who may', faults: bodyFaults(Math.floor(at / asked.length)) }
      : made;
    const placed = asked[at % asked.length] as PlacedOperation;
    at += 1;
    const authorization: RequestMaterial['authorization'] = (credential, { security }) =>
      world.authorization(
        credential === 'who may' && !security.some(({ apiKey }) => apiKey) ? 'portal session' : credential,
        known,
      );
    const request = buildRequest(placed, plan, { values, authorization });
    try {
      const answer = await sender.sendUntilTaken(request);
      const { name, found } = judge(operations, placed, plan, request, answer, check);
      seen.set(`${name} ${answer.status}`, (seen.get(`${name} ${answer.status}`) ?? 0) + 1);
      for (const what of found) note(`${name}: ${what}`, at, request, describeAnswer(answer));
      if (answer.status < 300) known.learn(parse(answer));
    } catch (error) {
      note(`${placed.operation.operationId}: ${String(error)}`, at, request, '');
    }
    for (const line of world.takeErrors()) note(`logged: ${line.msg}`, at, request, JSON.stringify(line));
    if (at % refreshEvery === 0) {
      known.forget();
      known.learn(await world.layIn());
    }
  }
  sender.close();
  return { requests: at, seen, problems: [...problems.values()] };
}

/** Requests erase, delete and revoke: from time to time there has to be something again. */
const refreshEvery = 100;
const plansAtOnce = 1_000;

function* plans(seed: number, count: number): Generator<Plan> {
  for (let from = 0; from < count; from += plansAtOnce) {
    yield* plansOf(seed + from, Math.min(plansAtOnce, count - from));
  }
}

function operationsOf({ paths }: OpenApiDocument): PlacedOperation[] {
  return Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ method, path, operation })),
  );
}

/** What is wrong with an answer. A request whose path or method was spoilt may be one of another operation, or of none. */
function judge(
  operations: readonly PlacedOperation[],
  placed: PlacedOperation,
  { faults }: Plan,
  request: RawRequest,
  answer: ReceivedAnswer,
  check: ReturnType<typeof createAnswerCheck>,
): { name: string; found: string[] } {
  const spoilt = faults.some(({ kind }) => kind === 'path' || kind === 'trailing' || kind === 'method');
  const head = request.method === 'HEAD';
  const whole = head ? { ...answer, body: Buffer.from('{}') } : answer;
  if (isBroken(answer.status))
    return { name: placed.operation.operationId, found: [`status ${answer.status}`] };
  // Node refuses such heads before anyone could know what they ask for.
  if (atEdge.includes(answer.status)) return { name: 'none', found: [] };
  if (head) return { name: 'HEAD', found: [] };
  if (!spoilt) return { name: placed.operation.operationId, found: check.of(placed.operation, whole) };
  const path = request.target.split(/[?#]/)[0] ?? '';
  const meant = operations.filter(
    (one) => one.method.toUpperCase() === request.method && patternOf(one.path).test(path),
  );
  if (meant.length === 0) return { name: 'none', found: check.ofNothing(whole) };
  const outcomes = [...meant.map(({ operation }) => check.of(operation, whole)), check.ofNothing(whole)];
  const found = outcomes.some(({ length }) => length === 0) ? [] : (outcomes[0] ?? []);
  return { name: meant[0]?.operation.operationId ?? 'none', found };
}

const atEdge: readonly number[] = [408, 414, 417, 431];

/** Nothing that is sent may break the server. `/ready` may say 503, but not here: all is there. */
function isBroken(status: number): boolean {
  return status >= 500;
}

function patternOf(path: string): RegExp {
  return new RegExp(`^${path.replaceAll('.', '\\.').replace(/\{\w+\}/g, '[^/]+')}/?$`);
}

function parse({ headers, body }: ReceivedAnswer): unknown {
  return /json/.test(headers['content-type'] ?? '') && body.length > 0
    ? (JSON.parse(body.toString()) as unknown)
    : null;
}

const shownMax = 600;

function describeRequest({ method, target, headers, body }: RawRequest): string {
  const shown = Object.entries(headers).filter(([name]) => name !== 'authorization' && name !== 'host');
  const lines = [`${method} ${target}`, ...shown.map(([name, value]) => `${name}: ${String(value)}`)];
  return [...lines, body?.toString() ?? ''].map((line) => line.slice(0, shownMax)).join('\n');
}

function describeAnswer({ status, body }: ReceivedAnswer): string {
  return `${status} ${body.toString().slice(0, shownMax)}`;
}

/** The result as a person reads it. */
export function describeResult({ requests, seen, problems }: FuzzResult, seed: number): string {
  const shown = problems.map(
    ({ what, at, times, request, answer }) =>
      `${what} (${times} times, first at request ${at})\n${request}\n=> ${answer}\n`,
  );
  return [
    ...shown,
    `${requests} requests with seed ${seed}, ${seen.size} kinds of answers, ${problems.length} problems`,
  ].join('\n');
}
