import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { createUuidV7, decodeId, encodeId, firstUuidAt, lastUuidAt, uuidTimeMs } from './ids.js';

const uuids = fc.uuid();
const timesMs = fc.integer({ min: 0, max: 2 ** 48 - 1 });

describe('createUuidV7', () => {
  it('makes a version 7 uuid that carries the time it was given', () => {
    fc.assert(
      fc.property(timesMs, (nowMs) => {
        const uuid = createUuidV7(nowMs);
        expect(uuid).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
        expect(uuidTimeMs(uuid)).toBe(nowMs);
      }),
    );
  });

  it('ascends within a millisecond and never repeats', () => {
    const uuids = Array.from({ length: 20_000 }, () => createUuidV7(1_800_000_000_000));
    expect(uuids).toEqual([...uuids].sort());
    expect(new Set(uuids).size).toBe(uuids.length);
  });

  it('does not repeat when the clock goes back and forth between two milliseconds', () => {
    const uuids = Array.from({ length: 2_000 }, (_, n) => createUuidV7(1_800_000_000_000 + (n % 2)));
    expect(new Set(uuids).size).toBe(uuids.length);
  });

  it('leaves the last bits of each id to chance, so that the next id cannot be guessed from the last', () => {
    const tails = Array.from({ length: 1_000 }, () => createUuidV7(1_800_000_000_000).slice(-10));
    expect(new Set(tails).size).toBe(tails.length);
  });

  it('uses every random bit', () => {
    // Bits seen as one and as zero over many milliseconds, beside the fixed version, variant and time.
    let ones = 0n;
    let zeros = 0n;
    for (let n = 0; n < 2_000; n++) {
      const value = BigInt(
        `0x${createUuidV7(1_800_000_000_000 + n)
          .slice(14)
          .replaceAll('-', '')}`,
      );
      ones |= value;
      zeros |= ~value;
    }
    const both = ones & zeros & (2n ** 80n - 1n);
    // The counter's top bit starts at zero, which leaves room to count.
    expect(both.toString(16)).toBe('7ff3fffffffffffffff');
  });

  it('refuses a time that does not fit', () => {
    for (const nowMs of [-1, 2 ** 48, Number.NaN]) expect(() => createUuidV7(nowMs)).toThrow(RangeError);
  });
});

describe('TypeIDs', () => {
  it.each([
    ['prefix', 'prefix_00000000000000000000000000', '00000000-0000-0000-0000-000000000000'],
    ['prefix', 'prefix_00000000000000000000000001', '00000000-0000-0000-0000-000000000001'],
    ['prefix', 'prefix_0000000000000000000000000a', '00000000-0000-0000-0000-00000000000a'],
    ['prefix', 'prefix_0000000000000000000000000g', '00000000-0000-0000-0000-000000000010'],
    ['prefix', 'prefix_00000000000000000000000010', '00000000-0000-0000-0000-000000000020'],
    ['prefix', 'prefix_7zzzzzzzzzzzzzzzzzzzzzzzzz', 'ffffffff-ffff-ffff-ffff-ffffffffffff'],
    ['prefix', 'prefix_0123456789abcdefghjkmnpqrs', '0110c853-1d09-52d8-d73e-1194e95b5f19'],
    ['prefix', 'prefix_01h455vb4pex5vsknk084sn02q', '01890a5d-ac96-774b-bcce-b302099a8057'],
    ['pre_fix', 'pre_fix_00000000000000000000000000', '00000000-0000-0000-0000-000000000000'],
  ])('agree with the vectors of the specification: %s %s', (prefix, text, uuid) => {
    expect(encodeId(prefix, uuid)).toBe(text);
    expect(decodeId(prefix, text)).toBe(uuid);
  });

  it('bring every uuid back', () => {
    fc.assert(fc.property(uuids, (uuid) => expect(decodeId('evt', encodeId('evt', uuid))).toBe(uuid)));
  });

  it('sort as their uuids do', () => {
    fc.assert(
      fc.property(uuids, uuids, (a, b) => {
        expect(encodeId('evt', a) < encodeId('evt', b)).toBe(a < b);
      }),
    );
  });

  it.each([
    ['another prefix', 'ep_01h455vb4pex5vsknk084sn02q'],
    ['a longer prefix', 'eevt_01h455vb4pex5vsknk084sn02q'],
    ['an upper-case prefix', 'EVT_01h455vb4pex5vsknk084sn02q'],
    ['no prefix', '01h455vb4pex5vsknk084sn02q'],
    ['no separator', 'evt-01h455vb4pex5vsknk084sn02q'],
    ['an empty suffix', 'evt_'],
    ['nothing', ''],
    ['a short suffix', 'evt_1234567890123456789012345'],
    ['a long suffix', 'evt_123456789012345678901234567'],
    ['spaces', 'evt_1234567890123456789012345 '],
    ['upper case', 'evt_0123456789ABCDEFGHJKMNPQRS'],
    ['one upper-case letter', 'evt_01h455vb4pex5vsknk084sn02Q'],
    ['hyphens', 'evt_123456789-123456789-123456'],
    ['letters outside the alphabet', 'evt_ooooooiiiiiiuuuuuuulllllll'],
    ['Crockford look-alikes', 'evt_i23456789ol23456789oi23456'],
    ['a value past 128 bits', 'evt_8zzzzzzzzzzzzzzzzzzzzzzzzz'],
    ['a first character outside the alphabet', 'evt_!zzzzzzzzzzzzzzzzzzzzzzzzz'],
    ['characters outside ASCII', 'evt_01h455vb4pex5vsknk084sn02\u0171'],
    ['a uuid', 'evt_01890a5d-ac96-774b-bcce-b302099a8057'],
  ])('are refused with %s', (_what, text) => {
    expect(decodeId('evt', text)).toBeNull();
  });

  it('have one spelling per uuid', () => {
    const suffix = fc.string({
      unit: fc.constantFrom(...'0123456789abcdefghjkmnpqrstvwxyz'.split('')),
      minLength: 26,
      maxLength: 26,
    });
    fc.assert(
      fc.property(suffix, (text) => {
        const uuid = decodeId('evt', `evt_${text}`);
        if (uuid !== null) expect(encodeId('evt', uuid)).toBe(`evt_${text}`);
      }),
    );
  });

  it.each([
    '',
    'evt_01h455vb4pex5vsknk084sn02q',
    '01890A5D-AC96-774B-BCCE-B302099A8057',
    '01890a5dac96774bbcceb302099a8057----',
    '01890a5d-ac96-774b-bcce-b302099a805',
    '01890a5d-ac96-774b-bcce-b302099a805g',
    '01890a5d-ac96-774b-bcce-b302099a805\u0130',
    '01890a5d_ac96-774b-bcce-b302099a8057',
  ])('are not made of anything but a canonical uuid: %j', (text) => {
    expect(() => encodeId('evt', text)).toThrow(TypeError);
  });
});

describe('id bounds', () => {
  it('enclose every id of their millisecond and no other', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 2 ** 48 - 2 }), (ms) => {
        const id = createUuidV7(ms);
        expect(firstUuidAt(ms) <= id && id <= lastUuidAt(ms)).toBe(true);
        expect(createUuidV7(ms - 1) < firstUuidAt(ms)).toBe(true);
        expect(createUuidV7(ms + 1) > lastUuidAt(ms)).toBe(true);
      }),
    );
  });

  it('have all random bits zero or one', () => {
    expect(firstUuidAt(0x01890a5dac96)).toBe('01890a5d-ac96-7000-8000-000000000000');
    expect(lastUuidAt(0x01890a5dac96)).toBe('01890a5d-ac96-7fff-bfff-ffffffffffff');
  });

  it('clamp times that no id can carry', () => {
    expect(firstUuidAt(-1)).toBe('00000000-0000-7000-8000-000000000000');
    expect(lastUuidAt(Number.MAX_SAFE_INTEGER)).toBe('ffffffff-ffff-7fff-bfff-ffffffffffff');
  });
});
