import { accessBy, leastScope, type Permission, permissionOf } from '@posthorn/api-contract';

import { AppError } from './app-error.js';
import type { Caller } from './caller.js';

/** Refuses a caller with `forbidden`. */
export type PermissionCheck = (caller: Caller) => void;

/** The check of one operation by the permission table. Throws at once for an operation without a row, or an open one. */
export function permissionCheck(operationId: string): PermissionCheck {
  const permission = permissionOf(operationId);
  if (permission === 'open') throw new Error(`${operationId} is open to anyone`);
  return (caller) => {
    if (accessBy(permission, caller) !== 'no') return;
    throw new AppError({ code: 'forbidden', detail: refusalOf(permission, caller) });
  };
}

function refusalOf(permission: Permission, caller: Caller): string {
  if (caller.kind === 'portal')
    return 'A portal session has no access to this operation; an operator can use it with an API key.';
  const scope = leastScope(permission);
  if (scope === null)
    return 'This operation is for portal sessions: get one with POST /v1/portal/session and a portal link.';
  return accessBy(permission, { ...caller, customerId: null }) === 'no'
    ? `This needs an API key with the scope ${scope}; this one has ${listOf(caller.scopes)}.`
    : 'This operation needs an API key that is not restricted to one customer.';
}

function listOf(scopes: readonly string[]): string {
  return scopes.length === 0 ? 'none' : scopes.join(', ');
}
