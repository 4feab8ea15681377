import type { Scope } from '@posthorn/api-contract';
import type { Response } from 'express';

import { AppError, notFound } from './app-error.js';
import type { Limit } from './limits/rate-limiter.js';

/** Who asks. `customerId` not null: only this customer is there, everything else is not. */
export type Caller = KeyCaller | PortalCaller;

export interface KeyCaller {
  kind: 'key';
  /** Of the API key, a uuid. */
  id: string;
  scopes: readonly Scope[];
  customerId: string | null;
  /** Of its requests; null: the default. */
  rateLimit: Limit | null;
}

export interface PortalCaller {
  kind: 'portal';
  /** Of the portal link that the session came from, a uuid. */
  id: string;
  customerId: string;
  /** Of the session. */
  expiresAt: Date;
}

/** For what concerns all customers and is no operation of the API. */
export function requireOperator(caller: Caller): void {
  if (caller.kind === 'key' && caller.scopes.includes('admin') && caller.customerId === null) return;
  throw new AppError({
    code: 'forbidden',
    detail: 'This page needs an API key with the scope admin that is not restricted to one customer.',
  });
}

export function mayAccess(caller: Caller, customerId: string): boolean {
  return caller.customerId === null || caller.customerId === customerId;
}

/** Throws `not_found`: not yours and not there are the same. */
export function requireCustomer(caller: Caller, customerId: string): void {
  if (!mayAccess(caller, customerId)) throw notFound();
}

/**
 * The customer a list is limited to: the one asked for, or the caller's own; null for all. Throws `not_found` when the
 * caller belongs to another.
 */
export function customerFilter(caller: Caller, asked: string | undefined): string | null {
  if (asked !== undefined) requireCustomer(caller, asked);
  return asked ?? caller.customerId;
}

export function setCaller(response: Response, caller: Caller): void {
  response.locals.caller = caller;
}

/** Keeps how to ask who it is, for requests that outlast what was found out at their start. */
export function setIdentification(response: Response, identify: () => Promise<Caller>): void {
  response.locals.identify = identify;
}

export function identificationOf(response: Response): () => Promise<Caller> {
  const identify = response.locals.identify as (() => Promise<Caller>) | undefined;
  if (!identify) throw new Error('The route is mounted without authentication');
  return identify;
}

export function callerOf(response: Response): Caller {
  const caller = response.locals.caller as Caller | undefined;
  if (!caller) throw new Error('The route is mounted without authentication');
  return caller;
}
