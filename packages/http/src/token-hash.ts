import { createHash } from 'node:crypto';

/**
 * What is stored of an API key or a session's token. They carry 256 random bits, so a plain SHA-256 cannot be searched
 * backwards; and since only hashes are compared, how long a comparison takes says nothing about a token.
 */
export function hashToken(token: string): Buffer {
  return createHash('sha256').update(token).digest();
}
