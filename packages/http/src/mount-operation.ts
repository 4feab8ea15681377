import {
  type FieldError,
  type Operation,
  type ResponseOf,
  type ResponseShapes,
  validateValue,
} from '@posthorn/api-contract';
import type { Request, RequestHandler, Response, Router } from 'express';

import { type HttpResponse, sendResponse } from './http-response.js';
import { recordChange } from './audit-trail.js';
import { AppError, notFound } from './app-error.js';
import { type Caller, callerOf, identificationOf } from './caller.js';
import { readIdempotencyKey } from './idempotency-key.js';
import { permissionCheck } from './permission-check.js';
import { jsonBytesMax, parseJson, readJsonText } from './read-json-text.js';
import { requestIdOf } from './request-id.js';

/** A request that has passed everything the operation says. */
export interface OperationRequest<P, Q, B> extends OpenOperationRequest<P, Q, B> {
  caller: Caller;
  /** Who it is by now, if that is still allowed. Throws as at the start. */
  identifyAgain(): Promise<Caller>;
}

/** One that anyone may send. */
export interface OpenOperationRequest<P, Q, B> {
  params: P;
  query: Q;
  body: B;
  /** Null without one, and for an operation that takes none. */
  idempotencyKey: string | null;
  /** Of a stream that is resumed; null without one. */
  lastEventId: string | null;
  requestId: string;
  /** Where it was sent to, as its sender named it: `https://hooks.example.com`. */
  origin: string;
}

export type OperationHandler<P, Q, B, R extends ResponseShapes> = (
  request: OperationRequest<P, Q, B>,
) => Promise<HttpResponse<ResponseOf<R>>>;
export type OpenOperationHandler<P, Q, B, R extends ResponseShapes> = (
  request: OpenOperationRequest<P, Q, B>,
) => Promise<HttpResponse<ResponseOf<R>>>;

/** Routes one operation: authentication, permission, parameters, query, body, then the handler with checked values. */
export function mountOperation<P, Q, B, R extends ResponseShapes>(
  router: Router,
  operation: Operation<P, Q, B, R>,
  authentication: RequestHandler,
  handle: OperationHandler<P, Q, B, R>,
): void {
  const requirePermission = permissionCheck(operation.operationId);
  mount(router, operation, [keepFromCaches, authentication], async (request, response) => {
    const caller = callerOf(response);
    requirePermission(caller);
    const identifyAgain = async () => {
      const now = await identificationOf(response)();
      requirePermission(now);
      return now;
    };
    const { sent, ...checked } = await checkedRequest(operation, request, response);
    return { sent, answer: await handle({ ...checked, caller, identifyAgain }) };
  });
}

/** Routes an operation that is open to anyone: `admission`, then as above. */
export function mountOpenOperation<P, Q, B, R extends ResponseShapes>(
  router: Router,
  operation: Operation<P, Q, B, R>,
  admission: RequestHandler,
  handle: OpenOperationHandler<P, Q, B, R>,
): void {
  mount(router, operation, [keepFromCaches, admission], async (request, response) => {
    const { sent, ...checked } = await checkedRequest(operation, request, response);
    return { sent, answer: await handle(checked) };
  });
}

function mount<P, Q, B>(
  router: Router,
  operation: Operation<P, Q, B>,
  before: RequestHandler[],
  run: (request: Request, response: Response) => Promise<{ sent: unknown; answer: HttpResponse }>,
): void {
  const paths = [operation.path, ...(operation.aliases ?? [])].map((path) =>
    path.replace(/\{(\w+)\}/g, ':$1'),
  );
  router[operation.method](paths, ...before, async (request: Request, response: Response) => {
    const { sent, answer } = await run(request, response);
    await recordChange(operation, request, response, { sent, answer });
    sendResponse(response, answer);
  });
}

/** Answers are for one caller only, and some hold a secret or a key. */
const keepFromCaches: RequestHandler = (_request, response, next) => {
  response.setHeader('Cache-Control', 'no-store');
  next();
};

async function checkedRequest<P, Q, B>(
  operation: Operation<P, Q, B>,
  request: Request,
  response: Response,
): Promise<OpenOperationRequest<P, Q, B> & { sent: unknown }> {
  const params = checkedParams(operation, request);
  const query = checkedQuery(operation, request);
  const idempotencyKey = operation.headers?.['Idempotency-Key'] ? readIdempotencyKey(request) : null;
  const { sent, body } = await checkedBody(operation, request);
  const origin = `${request.protocol}://${request.host}`;
  const lastEventId = operation.headers?.['Last-Event-ID'] ? (request.get('last-event-id') ?? null) : null;
  return { params, query, sent, body, idempotencyKey, lastEventId, requestId: requestIdOf(response), origin };
}

function checkedParams<P>(operation: Operation<P>, request: Request): P {
  const params = validateValue(operation.params, request.params, { convert: false });
  if (params.ok) return params.value;
  if (!operation.idMayBeNew) throw notFound(params.errors);
  throw new AppError({
    code: 'invalid_request',
    detail: 'A name in the path is not valid.',
    errors: params.errors,
  });
}

function checkedQuery<Q>(operation: Operation<unknown, Q>, request: Request): Q {
  const query = validateValue(operation.query, request.query, { convert: true });
  if (query.ok) return query.value;
  const repeated = query.errors.filter(({ path }) => Array.isArray(request.query[path]));
  throw new AppError({
    code: 'invalid_request',
    detail: 'Some query parameters are unknown or not valid.',
    errors: repeated.length > 0 ? repeated.map(givenTwice) : query.errors,
  });
}

function givenTwice({ path }: FieldError): FieldError {
  return { path, message: `"${path}" is given more than once; give it once` };
}

/** The body as it was sent, and as the handler gets it: checked, with its defaults. */
async function checkedBody<B>(
  operation: Operation<unknown, unknown, B>,
  request: Request,
): Promise<{ sent: unknown; body: B }> {
  // Such an operation's handler has no use for the value: its B is whatever the table left it.
  if (!operation.body) return { sent: undefined, body: undefined as B };
  const text = await readJsonText(request, {
    bytesMax: operation.bodyBytesMax ?? jsonBytesMax,
    mediaTypes: operation.bodyTypes,
    emptyAs: operation.bodyOptional ? '{}' : undefined,
  });
  const sent = parseJson(text);
  const body = validateValue(operation.body, sent, { convert: false });
  if (body.ok) return { sent, body: body.value };
  throw new AppError({
    code: 'invalid_request',
    detail: 'Some members of the body are missing, unknown or not valid.',
    errors: body.errors,
  });
}
