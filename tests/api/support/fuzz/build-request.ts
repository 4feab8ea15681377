import type { OpenApiOperation, OpenApiParameter } from '@posthorn/api-contract';

import { writeDeepValues } from './hostile-values.js';
import { spoilJson, spoilText, spoilValue } from './spoil-body.js';
import type { Credential, Fault, Plan } from './plan.js';
import type { RawRequest } from './send-raw.js';
import type { ValidValues } from './valid-values.js';

/** An operation of the document, and where it is. */
export interface PlacedOperation {
  method: string;
  path: string;
  operation: OpenApiOperation;
}

export interface RequestMaterial {
  values: ValidValues;
  /** The header of each kind of caller; null: none. */
  authorization(credential: Credential, operation: OpenApiOperation): string | null;
}

/** The request that the plan makes of the operation: right by the document, but for the plan's faults. */
export function buildRequest(
  { method, path, operation }: PlacedOperation,
  plan: Plan,
  { values, authorization }: RequestMaterial,
): RawRequest {
  const { seed, picks, faults } = plan;
  const pick = (index: number) => picks[index % picks.length] ?? 0;
  const valueOf = ({ schema }: OpenApiParameter, index: number) =>
    String(values.of(schema, seed + index + 1));
  const parameters = operation.parameters ?? [];
  const within = (place: OpenApiParameter['in']) => parameters.filter((one) => one.in === place);

  const inPath = new Map(
    within('path').map((one, index) => [one.name, encodeURIComponent(valueOf(one, index))]),
  );
  for (const fault of of(faults, 'path')) {
    const name = [...inPath.keys()][pick(0) % Math.max(inPath.size, 1)];
    if (name !== undefined) inPath.set(name, fault.text);
  }
  const filled = path.replace(/\{(\w+)\}/g, (_match, name: string) => inPath.get(name) ?? '');
  const trailing = of(faults, 'trailing').map(({ text }) => text);
  const query = [
    ...within('query')
      .filter((_one, index) => pick(index + 1) % 3 === 0)
      .map((one, index) => `${one.name}=${encodeURIComponent(valueOf(one, index))}`),
    ...of(faults, 'query').map(({ text }) => text),
  ];
  const authorizationHeader = authorization(plan.credential, operation);
  const body = bodyOf(operation, plan, values);
  const headers: RawRequest['headers'] = {
    host: 'posthorn.test',
    ...(authorizationHeader !== null && { authorization: authorizationHeader }),
    ...(body && { 'content-type': mediaTypeOf(operation, pick(4)), 'content-length': String(body.length) }),
  };
  for (const one of within('header')) {
    if (pick(5) % 4 === 0) headers[one.name.toLowerCase()] = valueOf(one, 0);
  }
  for (const { name, value } of of(faults, 'header')) headers[name] = value;
  return {
    method: of(faults, 'method')[0]?.method ?? method.toUpperCase(),
    target: `${filled}${trailing.join('')}${query.length > 0 ? `?${query.join('&')}` : ''}`,
    headers,
    body,
  };
}

function bodyOf({ requestBody }: OpenApiOperation, { seed, picks, faults }: Plan, values: ValidValues) {
  if (!requestBody) return of(faults, 'text').length > 0 ? Buffer.from('{}') : null;
  const schema = Object.values(requestBody.content)[0]?.schema ?? {};
  const changes = of(faults, 'text').map(({ change }) => change);
  if (changes.includes('absent') || (!requestBody.required && (picks[6] ?? 0) % 4 === 0)) return null;
  let value = values.of(schema, seed);
  faults.forEach((fault, index) => (value = spoilValue(value, fault, picks[index + 7] ?? 0)));
  const json = of(faults, 'json')[0];
  const text = json ? spoilJson(value, json.text, picks[9] ?? 0) : JSON.stringify(value);
  return changes.reduce(spoilText, Buffer.from(writeDeepValues(text)));
}

function mediaTypeOf({ requestBody }: OpenApiOperation, pick: number): string {
  const types = Object.keys(requestBody?.content ?? {});
  return types[pick % Math.max(types.length, 1)] ?? 'application/json';
}

function of<K extends Fault['kind']>(faults: readonly Fault[], kind: K): Extract<Fault, { kind: K }>[] {
  return faults.filter((fault): fault is Extract<Fault, { kind: K }> => fault.kind === kind);
}
