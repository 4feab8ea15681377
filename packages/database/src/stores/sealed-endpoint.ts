import type { SecretBox } from '@posthorn/runtime';

/**
 * How an endpoint's secrets and custom headers lie in the database. A sealed value opens for its own endpoint only, so
 * that nobody who can write to the database can move one endpoint's secret to another.
 */
export function sealSecret(secretBox: SecretBox, endpointId: string, secret: string) {
  return Uint8Array.from(secretBox.seal(secret, secretContext(endpointId)));
}

export function openSecret(secretBox: SecretBox, endpointId: string, sealed: Uint8Array): string {
  return secretBox.open(sealed, secretContext(endpointId)).toString('utf8');
}

/** Null when there are none. */
export function sealHeaders(secretBox: SecretBox, endpointId: string, headers: Record<string, string>) {
  return sealHeadersOf(secretBox, headersContext(endpointId), headers);
}

export function openHeaders(
  secretBox: SecretBox,
  endpointId: string,
  sealed: Uint8Array | null,
): Record<string, string> {
  return openHeadersOf(secretBox, headersContext(endpointId), sealed);
}

/** The same for whatever else has headers. */
export function sealHeadersOf(secretBox: SecretBox, context: string, headers: Record<string, string>) {
  if (Object.keys(headers).length === 0) return null;
  return Uint8Array.from(secretBox.seal(JSON.stringify(headers), context));
}

export function openHeadersOf(
  secretBox: SecretBox,
  context: string,
  sealed: Uint8Array | null,
): Record<string, string> {
  if (sealed === null) return {};
  return JSON.parse(secretBox.open(sealed, context).toString('utf8')) as Record<string, string>;
}

export const secretContext = (endpointId: string) => `endpoint:${endpointId}:secret`;
export const headersContext = (endpointId: string) => `endpoint:${endpointId}:headers`;
