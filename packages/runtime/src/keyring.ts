import { randomBytes } from 'node:crypto';

export interface EncryptionKey {
  /** Stored beside everything it seals, so that a key can be told apart and rotated. */
  id: string;
  /** 32 bytes (AES-256). */
  key: Buffer;
}

export type KeyringResult = { ok: true; keys: EncryptionKey[] } | { ok: false; problem: string };

export const keyringForm = 'id:base64[,id:base64…], each key 32 bytes, the first one encrypts';

/** Reads a keyring's text; the problem names the entry by its position or id and never quotes a key. */
export function parseKeyring(text: string): KeyringResult {
  const keys: EncryptionKey[] = [];
  for (const [index, entry] of text.split(',').entries()) {
    const parsed = parseEntry(entry.trim(), `entry ${index + 1}`);
    if ('problem' in parsed) return { ok: false, problem: parsed.problem };
    if (keys.some(({ id }) => id === parsed.id))
      return { ok: false, problem: `two keys have the id ${parsed.id}` };
    keys.push(parsed);
  }
  return { ok: true, keys };
}

/** The text of a keyring with one fresh key. */
export function generateKeyring(id = 'k1'): string {
  return `${id}:${randomBytes(32).toString('base64')}`;
}

export function isEncryptionKeyId(id: string): boolean {
  return /^[A-Za-z0-9][A-Za-z0-9._-]{0,31}$/.test(id);
}

function parseEntry(entry: string, position: string): EncryptionKey | { problem: string } {
  const colon = entry.indexOf(':');
  if (colon < 0) return { problem: `${position} has no id (write it as id:base64)` };
  const id = entry.slice(0, colon);
  if (!isEncryptionKeyId(id)) {
    return { problem: `the id of ${position} must be 1 to 32 letters, digits, dots, dashes or underscores` };
  }
  const base64 = entry.slice(colon + 1);
  if (!/^[A-Za-z0-9+/_-]+={0,2}$/.test(base64)) return { problem: `the key ${id} is not base64` };
  const key = Buffer.from(base64, 'base64');
  return key.length === 32 ? { id, key } : { problem: `the key ${id} has ${key.length} bytes instead of 32` };
}
