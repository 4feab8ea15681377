import { createHash } from 'node:crypto';

/** What is stored of an API key. Keys carry 256 random bits, so a plain SHA-256 cannot be searched backwards. */
export function hashApiKey(key: string): Buffer {
  return createHash('sha256').update(key).digest();
}
