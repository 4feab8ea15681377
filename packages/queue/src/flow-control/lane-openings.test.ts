import { describe, expect, it } from '@jest/globals';
import { LaneOpenings } from './lane-openings.js';

describe('the openings of lanes', () => {
  /** Lanes by number; the test opens each. */
  function lanes(openings: LaneOpenings) {
    const begun: number[] = [];
    const ends = new Map<number, () => void>();
    return {
      begun,
      add: (n: number) => {
        const opening = {
          open: () =>
            new Promise<void>((resolve) => {
              begun.push(n);
              ends.set(n, resolve);
            }),
        };
        openings.add(opening);
        return opening;
      },
      async isOpen(n: number) {
        ends.get(n)?.();
        await new Promise((resolve) => setImmediate(resolve));
      },
    };
  }

  it('opens fifty at once, and then the longest waiting and the newest alternately', async () => {
    const { begun, add, isOpen } = lanes(new LaneOpenings());
    for (let n = 0; n < 100; n++) add(n);
    expect(begun).toEqual(Array.from({ length: 50 }, (_, n) => n));
    for (let n = 0; n < 4; n++) await isOpen(n);
    // Whichever of the two came first.
    expect(new Set(begun.slice(50))).toEqual(new Set([50, 51, 98, 99]));
    add(100);
    for (let n = 4; n < 6; n++) await isOpen(n);
    expect(begun.slice(54)).toContain(100);
    for (let n = 6; n < 50; n++) await isOpen(n);
    expect(begun).toHaveLength(100);
  });

  it('does not open what was given up while it waited', async () => {
    const openings = new LaneOpenings();
    const { begun, add, isOpen } = lanes(openings);
    const all = Array.from({ length: 52 }, (_, n) => add(n));
    expect(openings.remove(all[51]!)).toBe(true);
    expect(openings.remove(all[0]!)).toBe(false);
    for (let n = 0; n < 51; n++) await isOpen(n);
    expect(begun).toHaveLength(51);
  });
});
