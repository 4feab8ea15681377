import {
  createCipheriv,
  createDecipheriv,
  createSecretKey,
  hkdfSync,
  randomBytes,
  type KeyObject,
} from 'node:crypto';
import { isEncryptionKeyId, type EncryptionKey } from './keyring.js';

export interface SecretBox {
  /** `context` says whose secret this is (table, row, column): the sealed bytes open under the same context only. */
  seal(plaintext: string | Buffer, context: string): Buffer;
  /** The plaintext, or a `SecretBoxError`. */
  open(sealed: Uint8Array, context: string): Buffer;
  /** Which key sealed this, for re-encrypting what an older key sealed. */
  keyIdOf(sealed: Uint8Array): string;
  readonly currentKeyId: string;
  /**
   * A box with a key of its own for each key of the ring (HKDF, RFC 5869), which only the same purpose gives again. For
   * what is sealed so often that the bound of one key would be reached.
   */
  derive(purpose: string): SecretBox;
}

export class SecretBoxError extends Error {
  override readonly name = 'SecretBoxError';

  constructor(
    readonly code: 'malformed' | 'unknown_key' | 'not_authentic',
    message: string,
  ) {
    super(message);
  }
}

const algorithm = 'aes-256-gcm';
const version = 1;
const nonceBytes = 12;
const tagBytes = 16;

/**
 * AES-256-GCM under the current key (the first unless named); every key of the ring opens.
 *
 * Sealed bytes: version (1), length of the key id (1), key id, nonce (12), tag (16), ciphertext. Everything before the
 * nonce is authenticated together with the context. Nonces are random, which is safe for 2^32 secrets per key
 * (NIST SP 800-38D, 8.3).
 */
export function createSecretBox(keys: readonly EncryptionKey[], currentId = keys[0]?.id): SecretBox {
  const keyObjects = new Map(keys.map(({ id, key }) => [id, keyObjectOf(id, key)]));
  if (currentId === undefined) throw new Error('A secret box needs at least one key.');
  const currentKey = keyObjects.get(currentId);
  if (!currentKey) throw new Error(`The keyring has no key ${currentId} to encrypt with.`);
  if (keyObjects.size < keys.length) throw new Error('Two keys of the keyring have the same id.');
  const currentHeader = headerOf(currentId);

  return {
    currentKeyId: currentId,

    seal(plaintext, context) {
      const nonce = randomBytes(nonceBytes);
      const cipher = createCipheriv(algorithm, currentKey, nonce, { authTagLength: tagBytes });
      cipher.setAAD(additionalData(currentHeader, context));
      const ciphertext = [cipher.update(toBuffer(plaintext)), cipher.final()];
      return Buffer.concat([currentHeader, nonce, cipher.getAuthTag(), ...ciphertext]);
    },

    open(sealed, context) {
      const { header, keyId, nonce, tag, ciphertext } = partsOf(sealed);
      const key = keyObjects.get(keyId);
      if (!key) {
        throw new SecretBoxError('unknown_key', `Sealed with key ${keyId}, which the keyring does not have.`);
      }
      const decipher = createDecipheriv(algorithm, key, nonce, { authTagLength: tagBytes });
      decipher.setAAD(additionalData(header, context));
      decipher.setAuthTag(tag);
      try {
        return Buffer.concat([decipher.update(ciphertext), decipher.final()]);
      } catch {
        throw new SecretBoxError(
          'not_authentic',
          `Sealed under another key called ${keyId} or for another place than ${context}, or changed since.`,
        );
      }
    },

    keyIdOf: (sealed) => partsOf(sealed).keyId,

    derive: (purpose) =>
      createSecretBox(
        keys.map(({ id, key }) => ({ id, key: Buffer.from(hkdfSync('sha256', key, '', purpose, 32)) })),
        currentId,
      ),
  };
}

function keyObjectOf(id: string, key: Buffer): KeyObject {
  if (!isEncryptionKeyId(id))
    throw new Error('A key id must be 1 to 32 letters, digits, dots, dashes or underscores.');
  if (key.length !== 32) throw new Error(`The key ${id} has ${key.length} bytes instead of 32.`);
  return createSecretKey(key);
}

function headerOf(keyId: string): Buffer {
  return Buffer.from([version, keyId.length, ...Buffer.from(keyId, 'latin1')]);
}

function additionalData(header: Buffer, context: string): Buffer {
  return Buffer.concat([header, Buffer.from(context, 'utf8')]);
}

function toBuffer(plaintext: string | Buffer): Buffer {
  return typeof plaintext === 'string' ? Buffer.from(plaintext, 'utf8') : plaintext;
}

function partsOf(sealed: Uint8Array) {
  const bytes = Buffer.from(sealed.buffer, sealed.byteOffset, sealed.byteLength);
  const nonceAt = 2 + (bytes[1] ?? 0);
  const tagAt = nonceAt + nonceBytes;
  const ciphertextAt = tagAt + tagBytes;
  if (bytes[0] !== version || bytes.length < ciphertextAt) {
    throw new SecretBoxError('malformed', 'These bytes were not sealed by a secret box of this version.');
  }
  return {
    header: bytes.subarray(0, nonceAt),
    keyId: bytes.toString('latin1', 2, nonceAt),
    nonce: bytes.subarray(nonceAt, tagAt),
    tag: bytes.subarray(tagAt, ciphertextAt),
    ciphertext: bytes.subarray(ciphertextAt),
  };
}
