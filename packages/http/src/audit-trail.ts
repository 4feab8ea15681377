import type { Operation } from '@posthorn/api-contract';
import type { Logger } from '@posthorn/runtime';
import type { Request, Response } from 'express';

import type { HttpResponse } from './http-response.js';
import { callerOf } from './caller.js';
import { requestIdOf } from './request-id.js';

/** A change that was made: who (by an API key, or through a portal link), what, from where. */
export interface Change {
  keyId: string | null;
  portalLinkId: string | null;
  operation: string;
  target: Record<string, string>;
  members: string[];
  customerId: string | null;
  requestId: string;
  address: string | null;
  userAgent: string | null;
}

export interface AuditTrail {
  record(change: Change): Promise<void>;
}

/** Keeps changes in a store. The change has been made by then: what cannot be kept there is kept in the log. */
export function createAuditTrail(store: { add(change: Change): Promise<void> }, logger: Logger): AuditTrail {
  return {
    async record(change) {
      try {
        await store.add(change);
      } catch (error) {
        logger.error('audit.not_recorded', { change, error });
      }
    },
  };
}

export function setAuditTrail(response: Response, trail: AuditTrail): void {
  response.locals.auditTrail = trail;
}

/** Records what an operation has done, before it is answered. Reading is no change. */
export async function recordChange(
  { operationId, method }: Operation,
  request: Request,
  response: Response,
  { sent, answer }: { sent: unknown; answer: HttpResponse },
): Promise<void> {
  const trail = response.locals.auditTrail as AuditTrail | undefined;
  if (!trail || method === 'get' || answer.unchanged) return;
  const { kind, id, customerId } = answer.caller ?? callerOf(response);
  const target = targetOf(request, answer);
  await trail.record({
    keyId: kind === 'key' ? id : null,
    portalLinkId: kind === 'portal' ? id : null,
    operation: operationId,
    target,
    members: isObject(sent) ? Object.keys(sent) : [],
    customerId: answer.customerId ?? target['customerId'] ?? customerId,
    requestId: requestIdOf(response),
    address: request.ip ?? null,
    userAgent: request.get('user-agent')?.slice(0, userAgentMax) ?? null,
  });
}

const userAgentMax = 300;

/** The ids in the path, those that its handler names, and those in the answer of what was made. */
function targetOf(request: Request, { body, target: named }: HttpResponse): Record<string, string> {
  const target: Record<string, string> = { ...named };
  for (const [name, value] of Object.entries(request.params))
    if (typeof value === 'string') target[name] = value;
  if (isObject(body)) {
    for (const name of ['id', 'customerId']) {
      const value = body[name];
      if (typeof value === 'string') target[name] ??= value;
    }
  }
  return target;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}
