import { createHmac } from 'node:crypto';
import {
  checkClaim,
  headerOf,
  missingHeader,
  problem,
  type Verification,
  type VerificationInput,
} from './signature-check.js';
import { currentSecret, type SignatureInput } from './signature-input.js';
import { decodeSigningSecret } from './signing-secret.js';

const ID = 'webhook-id';
const TIMESTAMP = 'webhook-timestamp';
const SIGNATURE = 'webhook-signature';

/**
 * The headers of Standard Webhooks 1.0.0, symmetric (`v1`): HMAC-SHA256 with the secret's decoded bytes over
 * `id.timestamp.body`, one signature per secret, separated by spaces. Throws TypeError without a usable secret.
 */
export function signStandard({
  id,
  timestampSeconds,
  body,
  secrets,
}: SignatureInput): Record<string, string> {
  currentSecret(secrets);
  const timestamp = String(timestampSeconds);
  return {
    [ID]: id,
    [TIMESTAMP]: timestamp,
    [SIGNATURE]: secrets.map((secret) => `v1,${sign(id, timestamp, body, secret)}`).join(' '),
  };
}

/**
 * Tells whether a request carries a `v1` signature made with one of the secrets, within five minutes of now either way,
 * and why not. Unknown versions are skipped, as the specification asks.
 */
export function verifyStandard(input: VerificationInput): Verification {
  const { headers, body } = input;
  const id = headerOf(headers, ID);
  if (id === undefined) return missingHeader(ID);
  const timestamp = headerOf(headers, TIMESTAMP);
  if (timestamp === undefined) return missingHeader(TIMESTAMP);
  const header = headerOf(headers, SIGNATURE);
  if (header === undefined) return missingHeader(SIGNATURE);

  const parts = header.split(' ');
  if (!parts.some((part) => /^v\w+,/.test(part))) {
    return problem('malformed_signature', `${SIGNATURE} is not of the form v1,<base64>.`);
  }
  return checkClaim(
    {
      timestamp,
      timestampHeader: TIMESTAMP,
      signatures: parts.filter((part) => part.startsWith('v1,')).map((part) => part.slice(3)),
      signatureHeader: SIGNATURE,
      expected: (secret) => sign(id, timestamp, body, secret),
    },
    input,
  );
}

function sign(id: string, timestamp: string, body: Buffer | string, secret: string): string {
  return createHmac('sha256', decodeSigningSecret(secret))
    .update(`${id}.${timestamp}.`)
    .update(body)
    .digest('base64');
}
