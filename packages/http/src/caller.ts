import { allows, type Scope } from '@posthorn/api-contract';
import type { Response } from 'express';

import { AppError, notFound } from './app-error.js';

/** Who asks: an API key. */
export interface Caller {
  keyId: string;
  scopes: readonly Scope[];
  /** Not null: the key sees this customer only, everything else is not there. */
  customerId: string | null;
}

export function requireScope(caller: Caller, scope: Scope): void {
  if (allows(caller.scopes, scope)) return;
  throw new AppError({ code: 'forbidden', detail: `This needs an API key with the scope ${scope}.` });
}

/** What concerns all customers is closed to a key of one. */
export function requireOperator(caller: Caller): void {
  if (caller.customerId === null) return;
  throw new AppError({
    code: 'forbidden',
    detail: 'This needs an API key that is not restricted to one customer.',
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
 * The customer a list is limited to: the one asked for, or the key's own; null for all. Throws `not_found` when the key
 * belongs to another.
 */
export function customerFilter(caller: Caller, asked: string | undefined): string | null {
  if (asked !== undefined) requireCustomer(caller, asked);
  return asked ?? caller.customerId;
}

export function setCaller(response: Response, caller: Caller): void {
  response.locals.caller = caller;
}

export function callerOf(response: Response): Caller {
  const caller = response.locals.caller as Caller | undefined;
  if (!caller) throw new Error('The route is mounted without authentication');
  return caller;
}
