import type { SecretBox } from '@posthorn/runtime';

import { openHeadersOf, sealHeadersOf } from './sealed-endpoint.js';

/** How the headers of a one-shot lie in the database; they open for their own event only. Null when there are none. */
export function sealOneShotHeaders(secretBox: SecretBox, eventId: string, headers: Record<string, string>) {
  return sealHeadersOf(secretBox, oneShotHeadersContext(eventId), headers);
}

export function openOneShotHeaders(
  secretBox: SecretBox,
  eventId: string,
  sealed: Uint8Array | null,
): Record<string, string> {
  return openHeadersOf(secretBox, oneShotHeadersContext(eventId), sealed);
}

export function sealOneShotSecret(secretBox: SecretBox, customerId: string, secret: string) {
  return Uint8Array.from(secretBox.seal(secret, oneShotSecretContext(customerId)));
}

export function openOneShotSecret(secretBox: SecretBox, customerId: string, sealed: Uint8Array): string {
  return secretBox.open(sealed, oneShotSecretContext(customerId)).toString('utf8');
}

export const oneShotHeadersContext = (eventId: string) => `one_shot:${eventId}:headers`;
export const oneShotSecretContext = (customerId: string) => `customer:${customerId}:one_shot_secret`;
