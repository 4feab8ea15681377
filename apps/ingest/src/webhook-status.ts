import { operations, type WebhookStatusResource } from '@posthorn/api-contract';
import type { OneShotStatus, OneShotStore } from '@posthorn/delivery/attempt';
import { encodeId } from '@posthorn/domain';
import { mountOperation, notFound, requireCustomer } from '@posthorn/http';
import type { RequestHandler, Router } from 'express';

export interface WebhookStatusDeps {
  authentication: RequestHandler;
  oneShots: Pick<OneShotStore, 'status'>;
}

export function mountWebhookStatus(router: Router, { authentication, oneShots }: WebhookStatusDeps): void {
  mountOperation(router, operations.getWebhookStatus, authentication, async ({ params, caller }) => {
    const found = await oneShots.status(params.id);
    if (!found) throw notFound();
    requireCustomer(caller, found.customerId);
    return { status: 200, body: webhookStatusResource(found) };
  });
}

function webhookStatusResource(found: OneShotStatus): WebhookStatusResource {
  return {
    id: encodeId('dlv', found.deliveryId),
    url: found.url,
    status: found.status,
    reason: found.reason,
    attempts: found.attempts,
    lastAttemptAt: found.lastAttemptAt?.toISOString() ?? null,
    nextAttemptAt: found.nextAttemptAt?.toISOString() ?? null,
    deliveredAt: found.deliveredAt?.toISOString() ?? null,
    error: found.status === 'delivered' ? null : found.lastError,
  };
}
