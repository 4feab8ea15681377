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

export const digestAlgorithms = ['sha256', 'sha512'] as const;
export type DigestAlgorithm = (typeof digestAlgorithms)[number];

const ID = 'x-webhook-id';
const TIMESTAMP = 'x-webhook-timestamp';
const SIGNATURE = 'x-webhook-signature';
const ALL_SIGNATURES = 'x-webhook-signatures';

/**
 * `X-Webhook-Signature: sha256=<hex>` as GitHub's verifiers read it: HMAC with the whole text of the secret over the
 * body alone, so neither the time nor the id is covered.
 *
 * These verifiers compare the whole header with one signature, so it holds one: that of the oldest secret that still
 * signs. A receiver that has not changed its secret goes on; one that knows both is right all the time. During an
 * overlap `X-Webhook-Signatures` lists those of all, newest first.
 */
export function signDigest(
  algorithm: DigestAlgorithm,
  { id, timestampSeconds, body, secrets }: SignatureInput,
): Record<string, string> {
  const oldest = secrets.at(-1) ?? currentSecret(secrets);
  const all = secrets.map((secret) => sign(algorithm, body, secret));
  return {
    [ID]: id,
    [TIMESTAMP]: String(timestampSeconds),
    [SIGNATURE]: sign(algorithm, body, oldest),
    ...(all.length > 1 && { [ALL_SIGNATURES]: all.join(',') }),
  };
}

/**
 * Tells whether a request carries a signature made with one of the secrets, within five minutes of now either way, and
 * why not.
 */
export function verifyDigest(algorithm: DigestAlgorithm, input: VerificationInput): Verification {
  const { headers, body } = input;
  if (headerOf(headers, ID) === undefined) return missingHeader(ID);
  const timestamp = headerOf(headers, TIMESTAMP);
  if (timestamp === undefined) return missingHeader(TIMESTAMP);
  const header = headerOf(headers, SIGNATURE);
  if (header === undefined) return missingHeader(SIGNATURE);
  if (!header.startsWith(`${algorithm}=`)) {
    return problem('malformed_signature', `${SIGNATURE} is not of the form ${algorithm}=<hex>.`);
  }
  const others = headerOf(headers, ALL_SIGNATURES)?.split(',') ?? [];
  return checkClaim(
    {
      timestamp,
      timestampHeader: TIMESTAMP,
      signatures: [header, ...others.map((text) => text.trim())],
      signatureHeader: SIGNATURE,
      expected: (secret) => sign(algorithm, body, secret),
    },
    input,
  );
}

function sign(algorithm: DigestAlgorithm, body: Buffer | string, secret: string): string {
  return `${algorithm}=${createHmac(algorithm, secret).update(body).digest('hex')}`;
}
