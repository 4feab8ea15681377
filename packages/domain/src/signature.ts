import { createHmac, timingSafeEqual } from 'node:crypto';
import { decodeSigningSecret } from './signing-secret.js';

export interface StandardSignatureInput {
  /** Constant over retries and replays. */
  readonly id: string;
  readonly timestampSeconds: number;
  /** Exactly the bytes that are sent. */
  readonly body: Buffer | string;
  /** The current secret first, then those that still sign during a rotation's overlap. At least one. */
  readonly secrets: readonly string[];
}

// A type alias, not an interface, so that it is assignable to Record<string, string>.
export type StandardSignatureHeaders = {
  readonly 'webhook-id': string;
  readonly 'webhook-timestamp': string;
  readonly 'webhook-signature': string;
};

/**
 * The headers of Standard Webhooks 1.0.0, symmetric (`v1`): HMAC-SHA256 with the secret's decoded bytes over
 * `id.timestamp.body`, one signature per secret, separated by spaces. Throws TypeError without a usable secret: an
 * unsigned delivery is never sent.
 */
export function signStandard({
  id,
  timestampSeconds,
  body,
  secrets,
}: StandardSignatureInput): StandardSignatureHeaders {
  if (secrets.length === 0) throw new TypeError('A delivery needs at least one signing secret');
  const timestamp = String(timestampSeconds);
  return {
    'webhook-id': id,
    'webhook-timestamp': timestamp,
    'webhook-signature': secrets.map((secret) => `v1,${sign(id, timestamp, body, secret)}`).join(' '),
  };
}

export interface StandardVerificationInput {
  /** As received; names in any case. */
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  /** As received, before any parsing. */
  readonly body: Buffer | string;
  readonly secrets: readonly string[];
  readonly nowMs: number;
  readonly toleranceSeconds?: number;
}

export type StandardVerification =
  | { readonly valid: true }
  | {
      readonly valid: false;
      readonly reason:
        | 'missing_header'
        | 'malformed_timestamp'
        | 'timestamp_too_old'
        | 'timestamp_too_new'
        | 'no_matching_signature';
    };

/**
 * Tells whether a request carries a `v1` signature made with one of the secrets, within five minutes of now either way,
 * and why not. Signatures are compared in constant time; unknown versions are skipped, as the specification asks.
 */
export function verifyStandard({
  headers,
  body,
  secrets,
  nowMs,
  toleranceSeconds = 300,
}: StandardVerificationInput): StandardVerification {
  const id = headerOf(headers, 'webhook-id');
  const timestamp = headerOf(headers, 'webhook-timestamp');
  const signatures = headerOf(headers, 'webhook-signature');
  if (!id || !timestamp || !signatures) return { valid: false, reason: 'missing_header' };

  if (!/^\d{1,15}$/.test(timestamp)) return { valid: false, reason: 'malformed_timestamp' };
  const ageSeconds = Math.floor(nowMs / 1000) - Number(timestamp);
  if (ageSeconds > toleranceSeconds) return { valid: false, reason: 'timestamp_too_old' };
  if (ageSeconds < -toleranceSeconds) return { valid: false, reason: 'timestamp_too_new' };

  const given = signatures
    .split(' ')
    .flatMap((part) => (part.startsWith('v1,') ? [Buffer.from(part.slice(3))] : []));
  const matches = secrets.some((secret) => {
    const expected = Buffer.from(sign(id, timestamp, body, secret));
    return given.some(
      (signature) => signature.length === expected.length && timingSafeEqual(signature, expected),
    );
  });
  return matches ? { valid: true } : { valid: false, reason: 'no_matching_signature' };
}

function sign(id: string, timestamp: string, body: Buffer | string, secret: string): string {
  return createHmac('sha256', decodeSigningSecret(secret))
    .update(`${id}.${timestamp}.`)
    .update(body)
    .digest('base64');
}

function headerOf(headers: StandardVerificationInput['headers'], name: string): string | undefined {
  const key = Object.keys(headers).find((candidate) => candidate.toLowerCase() === name);
  const value = key === undefined ? undefined : headers[key];
  return typeof value === 'string' ? value : value?.join(', ');
}
