import { randomBytes } from 'node:crypto';

/** A new secret in the form of the Standard Webhooks specification: `whsec_` and the base64 of 32 random bytes. */
export function generateSigningSecret(): string {
  return prefix + randomBytes(32).toString('base64');
}

/** What `isSigningSecret` takes: the bits that the padding leaves over are 0, so that each key has one text. */
export const signingSecretPattern =
  /^whsec_(?:(?:[A-Za-z0-9+/]{4}){8,21}|(?:[A-Za-z0-9+/]{4}){8,20}[A-Za-z0-9+/]{2}[AEIMQUYcgkosw048]=|(?:[A-Za-z0-9+/]{4}){8,21}[A-Za-z0-9+/][AQgw]==)$/;

/** True for `whsec_` and padded base64 of 24 to 64 bytes, the bounds of the specification. */
export function isSigningSecret(text: string): boolean {
  return decode(text) !== null;
}

/** The key bytes of a signing secret. Throws TypeError, without the text, for anything that is not one. */
export function decodeSigningSecret(secret: string): Buffer {
  const key = decode(secret);
  if (key === null)
    throw new TypeError('Not a signing secret: expected whsec_ and the base64 of 24 to 64 bytes');
  return key;
}

const prefix = 'whsec_';

function decode(text: string): Buffer | null {
  if (!text.startsWith(prefix)) return null;
  const encoded = text.slice(prefix.length);
  const key = Buffer.from(encoded, 'base64');
  // Node skips what is not base64; verifiers reject it. Only text that comes back the same means one key to everybody.
  return key.length >= 24 && key.length <= 64 && key.toString('base64') === encoded ? key : null;
}
