import { describe, expect, it } from '@jest/globals';
import { createUuidV7, deliveryIdOf, firstUuidAt, lastUuidAt } from '@posthorn/domain';

import { idRange, raisedTo } from './id-range.js';

const eventId = createUuidV7(1_000_000);
const before = firstUuidAt(500_000);

describe('idRange', () => {
  it('has no bounds when nothing bounds it', () => {
    expect(idRange({ before: null })).toEqual({});
  });

  it('takes the narrower of two bounds on the same side', () => {
    expect(idRange({ before, untilMs: 400_000 })).toEqual({ lt: firstUuidAt(400_000) });
    expect(idRange({ before, untilMs: 600_000 })).toEqual({ lt: before });
    expect(idRange({ before: null, sinceMs: 2_000_000, eventId })).toEqual({
      gte: firstUuidAt(2_000_000),
      lte: lastUuidAt(1_000_000),
    });
  });

  it('spans every delivery of an event and no other millisecond', () => {
    const { gte, lte } = idRange({ before: null, eventId });
    for (let n = 0; n < 200; n++) {
      const id = deliveryIdOf(eventId, createUuidV7(n));
      expect(gte! <= id && id <= lte!).toBe(true);
    }
    expect(firstUuidAt(1_000_001) > lte! && lastUuidAt(999_999) < gte!).toBe(true);
  });
});

describe('raisedTo', () => {
  it('only ever narrows the range', () => {
    const low = firstUuidAt(1);
    const high = firstUuidAt(2);
    expect(raisedTo({ lt: before }, null)).toEqual({ lt: before });
    expect(raisedTo({ lt: before }, low)).toEqual({ gte: low, lt: before });
    expect(raisedTo({ gte: low }, high)).toEqual({ gte: high });
    expect(raisedTo({ gte: high }, low)).toEqual({ gte: high });
  });
});
