import { randomBytes } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { createSecretBox, SecretBoxError } from './secret-box.js';

const old = { id: 'k1', key: randomBytes(32) };
const current = { id: 'k2', key: randomBytes(32) };

describe('secret box', () => {
  it('opens whatever it sealed, under the same context', () => {
    const box = createSecretBox([current]);
    fc.assert(
      fc.property(fc.uint8Array(), fc.string(), (bytes, context) => {
        const plaintext = Buffer.from(bytes);
        expect(box.open(box.seal(plaintext, context), context).equals(plaintext)).toBe(true);
      }),
    );
    expect(box.open(box.seal('whsec_ünï', 'endpoint/1'), 'endpoint/1').toString()).toBe('whsec_ünï');
  });

  it('does not open under another context, so a row’s secret is of no use in another row', () => {
    const box = createSecretBox([current]);
    expect(codeOf(() => box.open(box.seal('secret', 'endpoint/1'), 'endpoint/2'))).toBe('not_authentic');
  });

  it('opens nothing after any byte was changed, added or cut', () => {
    const box = createSecretBox([current, old]);
    const sealed = box.seal('secret', 'c');
    for (let index = 0; index < sealed.length; index++) {
      const changed = Buffer.from(sealed);
      changed[index]! ^= 1;
      expect(() => box.open(changed, 'c')).toThrow(SecretBoxError);
      expect(() => box.open(sealed.subarray(0, index), 'c')).toThrow(SecretBoxError);
    }
    expect(codeOf(() => box.open(Buffer.concat([sealed, Buffer.of(0)]), 'c'))).toBe('not_authentic');
  });

  it('never seals the same thing to the same bytes, and holds neither plaintext nor key', () => {
    const box = createSecretBox([current]);
    const sealed = box.seal('whsec_plaintext', 'c');
    expect(sealed.equals(box.seal('whsec_plaintext', 'c'))).toBe(false);
    expect(sealed.includes('whsec_plaintext')).toBe(false);
    expect(sealed.includes(current.key)).toBe(false);
  });

  it('derives a box that only the same purpose opens, with the current key and the older ones', () => {
    const sealed = createSecretBox([old]).derive('a').seal('secret', 'c');
    const ring = createSecretBox([current, old]);
    expect(ring.derive('a').open(sealed, 'c').toString()).toBe('secret');
    expect(codeOf(() => ring.derive('b').open(sealed, 'c'))).toBe('not_authentic');
    expect(codeOf(() => ring.open(sealed, 'c'))).toBe('not_authentic');
    expect(ring.derive('a').currentKeyId).toBe(ring.currentKeyId);
  });

  it('encrypts with the first key, or the one named, and opens what older keys sealed', () => {
    const before = createSecretBox([old]).seal('secret', 'c');
    const rotated = createSecretBox([current, old]);
    expect(rotated.open(before, 'c').toString()).toBe('secret');
    expect(rotated.keyIdOf(before)).toBe('k1');
    expect(rotated.keyIdOf(rotated.seal('secret', 'c'))).toBe('k2');
    const named = createSecretBox([current, old], 'k1');
    expect([named.currentKeyId, named.keyIdOf(named.seal('secret', 'c'))]).toEqual(['k1', 'k1']);
  });

  it('names the key it lacks, and tells another key of the same name apart', () => {
    const sealed = createSecretBox([old]).seal('secret', 'c');
    expect(() => createSecretBox([current]).open(sealed, 'c')).toThrow('Sealed with key k1');
    expect(codeOf(() => createSecretBox([current]).open(sealed, 'c'))).toBe('unknown_key');
    const impostor = createSecretBox([{ id: 'k1', key: randomBytes(32) }]);
    expect(codeOf(() => impostor.open(sealed, 'c'))).toBe('not_authentic');
  });

  it('does not let another key id be written over the one that sealed', () => {
    const box = createSecretBox([old, { id: 'k2', key: old.key }]);
    const relabelled = box.seal('secret', 'c');
    relabelled.write('k2', relabelled.indexOf('k1'));
    expect(box.keyIdOf(relabelled)).toBe('k2');
    expect(codeOf(() => box.open(relabelled, 'c'))).toBe('not_authentic');
  });

  it('opens bytes that lie inside a larger buffer, as a database driver hands them out', () => {
    const box = createSecretBox([current]);
    const sealed = box.seal('secret', 'c');
    const view = new Uint8Array(Buffer.concat([Buffer.alloc(7), sealed, Buffer.alloc(7)]).buffer);
    const start = Buffer.from(view).indexOf(sealed);
    expect(box.open(view.subarray(start, start + sealed.length), 'c').toString()).toBe('secret');
  });

  it.each([
    Buffer.alloc(0),
    Buffer.of(1),
    Buffer.of(2, ...Buffer.alloc(60)),
    Buffer.of(1, 255, ...Buffer.alloc(60)),
  ])('calls foreign bytes malformed (%#)', (bytes) => {
    const box = createSecretBox([current]);
    expect(codeOf(() => box.open(bytes, 'c'))).toBe('malformed');
    expect(codeOf(() => box.keyIdOf(bytes))).toBe('malformed');
  });

  it('is not made from a keyring that cannot work', () => {
    expect(() => createSecretBox([])).toThrow('at least one key');
    expect(() => createSecretBox([current], 'k9')).toThrow('no key k9');
    expect(() => createSecretBox([current, current])).toThrow('same id');
    expect(() => createSecretBox([{ id: 'short', key: randomBytes(16) }])).toThrow('16 bytes instead of 32');
    expect(() => createSecretBox([{ id: 'a:b', key: randomBytes(32) }])).toThrow('key id');
  });
});

function codeOf(run: () => unknown): string | undefined {
  try {
    run();
  } catch (error) {
    return error instanceof SecretBoxError ? error.code : undefined;
  }
  return undefined;
}
