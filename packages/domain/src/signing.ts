import { type DigestAlgorithm, signDigest, verifyDigest } from './digest-signature.js';
import type { Verification, VerificationInput } from './signature-check.js';
import type { SignatureInput } from './signature-input.js';
import { signStandard, verifyStandard } from './standard-signature.js';
import { signTimestamped, verifyTimestamped } from './timestamped-signature.js';

export const signingSchemes = ['standard', 'timestamped', 'digest'] as const;
export type SigningScheme = (typeof signingSchemes)[number];

/** How an endpoint's requests are signed. */
export type Signing =
  { scheme: 'standard' | 'timestamped' } | { scheme: 'digest'; algorithm: DigestAlgorithm };

/** The headers that sign a request, names in lower case. Throws TypeError without a usable secret. */
export function signRequest(signing: Signing, input: SignatureInput): Record<string, string> {
  switch (signing.scheme) {
    case 'standard':
      return signStandard(input);
    case 'timestamped':
      return signTimestamped(input);
    case 'digest':
      return signDigest(signing.algorithm, input);
  }
}

/** Tells whether a request is signed as `signRequest` would, and why not. */
export function verifyRequest(signing: Signing, input: VerificationInput): Verification {
  switch (signing.scheme) {
    case 'standard':
      return verifyStandard(input);
    case 'timestamped':
      return verifyTimestamped(input);
    case 'digest':
      return verifyDigest(signing.algorithm, input);
  }
}
