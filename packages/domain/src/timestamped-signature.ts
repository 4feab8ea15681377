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

const SIGNATURE = 'webhook-signature';

/**
 * `Webhook-Signature: t=<unix>,v1=<hex>` as Stripe's verifiers read it: HMAC-SHA256 with the whole text of the secret
 * over `timestamp.body`, one `v1` per secret. The id goes along in `webhook-id`; the signature does not cover it.
 */
export function signTimestamped({
  id,
  timestampSeconds,
  body,
  secrets,
}: SignatureInput): Record<string, string> {
  currentSecret(secrets);
  const timestamp = String(timestampSeconds);
  const signatures = secrets.map((secret) => `v1=${sign(timestamp, body, secret)}`);
  return { 'webhook-id': id, [SIGNATURE]: [`t=${timestamp}`, ...signatures].join(',') };
}

/**
 * Tells whether a request carries a `v1` signature made with one of the secrets, within five minutes of now either way,
 * and why not. Other versions are skipped.
 */
export function verifyTimestamped(input: VerificationInput): Verification {
  const header = headerOf(input.headers, SIGNATURE);
  if (header === undefined) return missingHeader(SIGNATURE);
  const fields = header.split(',').map((part) => {
    const [name = '', ...value] = part.trim().split('=');
    return { name, value: value.join('=') };
  });
  const timestamp = fields.find(({ name }) => name === 't')?.value;
  const signatures = fields.filter(({ name }) => name === 'v1').map(({ value }) => value);
  if (timestamp === undefined || signatures.length === 0) {
    return problem('malformed_signature', `${SIGNATURE} is not of the form t=<unix seconds>,v1=<hex>.`);
  }
  return checkClaim(
    {
      timestamp,
      timestampHeader: `t in ${SIGNATURE}`,
      signatures,
      signatureHeader: SIGNATURE,
      expected: (secret) => sign(timestamp, input.body, secret),
    },
    input,
  );
}

function sign(timestamp: string, body: Buffer | string, secret: string): string {
  return createHmac('sha256', secret).update(`${timestamp}.`).update(body).digest('hex');
}
