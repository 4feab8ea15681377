import type { ChangePosition } from '@posthorn/delivery/stream';
import { createSecretBox } from '@posthorn/runtime';
import { describe, expect, it } from '@jest/globals';
import { randomBytes } from 'node:crypto';

import { createStreamCursors } from './stream-cursor.js';

const [k1, k2] = [
  { id: 'k1', key: randomBytes(32) },
  { id: 'k2', key: randomBytes(32) },
];
const cursorsOf = (customerId: string, keys = [k1]) => createStreamCursors(createSecretBox(keys), customerId);
const placeWith = (open: number, nextXid = 4_000_000_000n): ChangePosition => ({
  sinceMs: 1_769_860_800_000,
  nextXid: String(nextXid),
  openXids: Array.from({ length: open }, (_, n) => String(nextXid - BigInt(open - n))),
});
const refusal = expect.objectContaining({ code: 'invalid_request' });

describe('the id of a message of a stream', () => {
  it.each([0, 1, 27, 28, 500])(
    'is read by any process as it was written, with %i open transactions',
    (open) => {
      const position = placeWith(open);
      expect(cursorsOf('acme').read(cursorsOf('acme').write(position))).toEqual(position);
    },
  );

  it('goes back to the oldest of more transactions than it holds', () => {
    const written = cursorsOf('acme').write(placeWith(501));
    expect(cursorsOf('acme').read(written)).toEqual({
      ...placeWith(0),
      nextXid: String(4_000_000_000n - 501n),
    });
  });

  it('shows nothing of the numbers: neither they nor how many there are, nor whether two places are the same', () => {
    const { write } = cursorsOf('acme');
    const written = [0, 5, 27].map((open) => write(placeWith(open)));
    expect(new Set(written.map(({ length }) => length)).size).toBe(1);
    expect(write(placeWith(0))).not.toBe(written[0]);
    const number = Buffer.alloc(8);
    number.writeBigUInt64BE(4_000_000_000n);
    for (const id of written) {
      expect(id).not.toContain('4000000000');
      expect(Buffer.from(id, 'base64url').includes(number.subarray(4))).toBe(false);
      expect(id.length).toBeLessThan(300);
    }
    expect(write(placeWith(500)).length).toBeLessThan(4_000);
  });

  it('is refused when anything of it was changed, and when it is another customer’s', () => {
    const { write, read } = cursorsOf('acme');
    const written = write(placeWith(3));
    for (let at = 8; at < written.length - 1; at += 1) {
      const changed = written.slice(0, at) + (written[at] === 'A' ? 'B' : 'A') + written.slice(at + 1);
      expect(() => read(changed)).toThrow(refusal);
    }
    expect(() => cursorsOf('other').read(written)).toThrow(refusal);
    for (const text of ['', 'nonsense', '1', '1.2.-3', 'x'.repeat(200), `1.${'9'.repeat(30)}`])
      expect(() => read(text)).toThrow(refusal);
  });

  it('of an older key is read as long as the key is there, then it is too old', () => {
    const written = cursorsOf('acme', [k1]).write(placeWith(3));
    expect(cursorsOf('acme', [k2, k1]).read(written)).toEqual(placeWith(3));
    expect(cursorsOf('acme', [k2]).read(written)).toMatchObject({ sinceMs: 0 });
  });

  it('of an earlier version is too old', () => {
    expect(cursorsOf('acme').read('1769860800000.7412.7409')).toMatchObject({ sinceMs: 0 });
  });
});
