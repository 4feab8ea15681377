import { timingSafeEqual } from 'node:crypto';

export interface VerificationInput {
  /** As received; names in any case. */
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  /** As received, before any parsing. */
  readonly body: Buffer | string;
  readonly secrets: readonly string[];
  readonly nowMs: number;
  /** How far the timestamp may be from now, either way; 300 unless told. */
  readonly toleranceSeconds?: number;
}

/** `no_matching_signature`: another secret, or another body, time or id; nobody can tell these apart. */
export const signatureProblems = [
  'missing_header',
  'malformed_timestamp',
  'malformed_signature',
  'timestamp_too_old',
  'timestamp_too_new',
  'no_matching_signature',
] as const;
export type SignatureProblem = (typeof signatureProblems)[number];

/** `detail` says it to a person; it holds nothing secret. */
export type Verification =
  | { readonly valid: true }
  | { readonly valid: false; readonly reason: SignatureProblem; readonly detail: string };

/** What a scheme found in a request. */
export interface Claim {
  readonly timestamp: string;
  /** Where the timestamp stands, for people. */
  readonly timestampHeader: string;
  readonly signatures: readonly string[];
  readonly signatureHeader: string;
  /** The signature that this secret makes. */
  expected: (secret: string) => string;
}

/** The checks that all schemes share: the time, then the signature, which is compared in constant time. */
export function checkClaim(
  { timestamp, timestampHeader, signatures, signatureHeader, expected }: Claim,
  { secrets, nowMs, toleranceSeconds = 300 }: VerificationInput,
): Verification {
  if (!/^\d{1,15}$/.test(timestamp)) {
    return problem('malformed_timestamp', `${timestampHeader} is not a time in whole seconds since 1970.`);
  }
  const matches = secrets.some((secret) => {
    const wanted = expected(secret);
    return signatures.some((signature) => sameText(signature, wanted));
  });
  const ageSeconds = Math.floor(nowMs / 1000) - Number(timestamp);
  if (Math.abs(ageSeconds) > toleranceSeconds) {
    const rest = `at most ${toleranceSeconds} are accepted. ${matches ? 'The signature itself matches.' : 'No signature matches either.'}`;
    return ageSeconds > 0
      ? problem('timestamp_too_old', `${timestampHeader} is ${ageSeconds} seconds ago; ${rest}`)
      : problem('timestamp_too_new', `${timestampHeader} is ${-ageSeconds} seconds ahead; ${rest}`);
  }
  if (matches) return { valid: true };
  return problem(
    'no_matching_signature',
    `Nothing in ${signatureHeader} was made with a secret that signs now over what was given. ` +
      'Another secret and a body that was changed, or parsed and written anew, cannot be told apart.',
  );
}

export function problem(reason: SignatureProblem, detail: string): Verification {
  return { valid: false, reason, detail };
}

export function missingHeader(name: string): Verification {
  return problem('missing_header', `The header ${name} is missing or empty.`);
}

/** The value of a header given in any case, several joined as RFC 9110 says; undefined when it is absent or empty. */
export function headerOf(headers: VerificationInput['headers'], name: string): string | undefined {
  const values = Object.entries(headers)
    .filter(([candidate]) => candidate.toLowerCase() === name)
    .flatMap(([, value]) => value ?? [])
    .filter((value) => value !== '');
  return values.join(', ') || undefined;
}

/** In a time that tells nothing but the lengths. */
function sameText(given: string, expected: string): boolean {
  const [a, b] = [Buffer.from(given), Buffer.from(expected)];
  return a.length === b.length && timingSafeEqual(a, b);
}
