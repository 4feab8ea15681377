import { hash } from 'node:crypto';

import type { EventToAccept, OneShotToAccept } from './event-to-accept.js';

/**
 * The hashes an event claims for its customer: of its idempotency key, and of its external id. The two kinds never
 * meet, so a key that happens to equal another event's external id is not taken for it.
 */
export function keyHashesOf({
  idempotencyKey,
  externalId = null,
}: {
  idempotencyKey: string | null;
  externalId?: string | null;
}): Buffer[] {
  const hashes: Buffer[] = [];
  if (idempotencyKey !== null) hashes.push(sha256(`key:${idempotencyKey}`));
  if (externalId !== null) hashes.push(sha256(`external:${externalId}`));
  return hashes;
}

/** What has to be the same for a second request to count as a repeat of the first. */
export function requestHashOf(event: EventToAccept): Buffer {
  return sha256(JSON.stringify([event.type, event.externalId, event.occurredAtMs]) + event.dataSource);
}

/** The same of a one-shot. It never equals that of an event, whose list has another form. */
export function oneShotHashOf({ url, headers, retryPolicy, payloadSource }: OneShotToAccept): Buffer {
  return sha256(JSON.stringify({ url, headers, retryPolicy }) + payloadSource);
}

function sha256(text: string): Buffer {
  return hash('sha256', text, 'buffer');
}
