import type Joi from 'joi';

import type { ProblemCode } from './problem.js';

export type Method = 'get' | 'put' | 'post' | 'patch' | 'delete';

export interface ResponseShape {
  description: string;
  /** Absent: no body. */
  schema?: Joi.Schema;
  /** Default `application/json`. */
  mediaType?: string;
  headers?: Readonly<Record<string, string>>;
}

export type ResponseShapes = Readonly<Record<number, ResponseShape>>;

/** What a handler may return: one of the declared statuses, each with the resource that is declared for it. */
export type ResponseOf<Responses extends ResponseShapes> = {
  [Status in keyof Responses & number]: Responses[Status] extends { schema: Joi.ObjectSchema<infer Resource> }
    ? { status: Status; body: Resource }
    : { status: Status; body?: undefined };
}[keyof Responses & number];

/**
 * One operation of the HTTP API; `permissions` says who may use it. The routes validate by it and the OpenAPI document is
 * made from it, so the two cannot differ. Params, Query and Body are what a handler gets after validation; Responses is
 * what it may return.
 */
export interface Operation<
  Params = unknown,
  Query = unknown,
  Body = unknown,
  Responses extends ResponseShapes = ResponseShapes,
> {
  operationId: string;
  method: Method;
  /** With parameters in braces, as OpenAPI writes them: `/v1/customers/{customerId}`. */
  path: string;
  /** Other paths of the same operation. */
  aliases?: readonly string[];
  group: string;
  summary: string;
  description?: string;
  /** True: the path can name something new, so an invalid name gets 400 instead of 404. */
  idMayBeNew?: boolean;
  params: Joi.ObjectSchema<Params>;
  query: Joi.ObjectSchema<Query>;
  headers?: Readonly<Record<string, Joi.StringSchema>>;
  /** Null: the operation takes no body. */
  body: Joi.Schema<Body> | null;
  /** The body as documented, where the routes check less at once than is said. */
  documentedBody?: Joi.Schema;
  /** The largest body accepted. Default: the limit for settings. */
  bodyBytesMax?: number;
  /** True: an absent body counts as `{}`. */
  bodyOptional?: boolean;
  /** Media types accepted for the body. Default `application/json`. */
  bodyTypes?: readonly string[];
  example?: unknown;
  responses: Responses;
  problems: readonly ProblemCode[];
}

/** Keeps the types of params, query, body and responses. */
export function operation<Params, Query, Body, Responses extends ResponseShapes>(
  definition: Operation<Params, Query, Body, Responses>,
): Operation<Params, Query, Body, Responses> {
  return definition;
}
