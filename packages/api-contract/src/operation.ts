import type Joi from 'joi';

import type { ProblemCode } from './problem.js';

export type Method = 'get' | 'put' | 'post' | 'patch' | 'delete';

export interface ResponseShape {
  description: string;
  /** Absent: no body. */
  schema?: Joi.Schema;
  /** `application/json` unless told. */
  mediaType?: string;
  headers?: Readonly<Record<string, string>>;
}

/**
 * One operation of the HTTP surface; who may ask for it stands in `permissions`. The routes validate by it and the OpenAPI document is made from it, so neither can
 * say something else than the other. P, Q and B are what a handler gets after validation.
 */
export interface Operation<P = unknown, Q = unknown, B = unknown> {
  operationId: string;
  method: Method;
  /** With parameters in braces, as OpenAPI writes them: `/v1/customers/{customerId}`. */
  path: string;
  /** Other paths that it answers at just the same. */
  aliases?: readonly string[];
  group: string;
  summary: string;
  description?: string;
  /** A path parameter that cannot name anything is answered 404, unless the operation creates what it names. */
  createsNamed?: boolean;
  params: Joi.ObjectSchema<P>;
  query: Joi.ObjectSchema<Q>;
  headers?: Readonly<Record<string, Joi.StringSchema>>;
  /** Null: the operation takes no body. */
  body: Joi.Schema<B> | null;
  /** The body as documented, where the routes check less at once than is said. */
  documentedBody?: Joi.Schema;
  /** The largest body taken; that of settings unless told. */
  bodyBytesMax?: number;
  /** True: an absent body counts as `{}`. */
  bodyOptional?: boolean;
  /** Media types accepted for the body; `application/json` unless told. */
  bodyTypes?: readonly string[];
  example?: unknown;
  responses: Readonly<Record<number, ResponseShape>>;
  problems: readonly ProblemCode[];
}

/** Keeps the types of params, query and body. */
export function operation<P, Q, B>(definition: Operation<P, Q, B>): Operation<P, Q, B> {
  return definition;
}
