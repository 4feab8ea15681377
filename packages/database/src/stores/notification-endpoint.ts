import { createUuidV7, type EndpointKind, generateSigningSecret } from '@posthorn/domain';
import type { Clock, SecretBox } from '@posthorn/runtime';
import type { Transaction } from '../database.js';
import { sealSecret } from './sealed-endpoint.js';

/**
 * Makes the hidden endpoint behind a customer's notificationUrl agree with it: made, changed, or deleted. One that had
 * been disabled is enabled again. Returns the signing secret when it was made: nothing shows it later. The caller's
 * transaction has changed the customer's row, so nobody does the same meanwhile.
 */
export async function keepNotificationEndpoint(
  tx: Transaction,
  { secretBox, clock }: { secretBox: SecretBox; clock: Clock },
  customerId: string,
  url: string | null,
): Promise<string | null> {
  const kind: EndpointKind = 'notification';
  const now = new Date(clock.nowMs());
  const current = await tx.endpoint.findFirst({ where: { customerId, kind, deletedAt: null } });
  if (url === null) {
    if (current)
      await tx.endpoint.update({ where: { id: current.id }, data: { deletedAt: now, updatedAt: now } });
    return null;
  }
  if (current) {
    if (current.url !== url || current.status !== 'enabled')
      await tx.endpoint.update({
        where: { id: current.id },
        data: { url, status: 'enabled', disabledReason: null, updatedAt: now },
      });
    return null;
  }
  const id = createUuidV7(clock.nowMs());
  const secret = generateSigningSecret();
  const sealed = sealSecret(secretBox, id, secret);
  await tx.endpoint.create({
    data: {
      id,
      customerId,
      kind,
      url,
      eventTypes: ['*'],
      secrets: { create: { id: createUuidV7(clock.nowMs()), sealed } },
    },
  });
  return secret;
}
