import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { waitUntil } from '@posthorn/testing';
import { CustomerPace, type RateLimitedLane } from './customer-pace.js';

describe('the pace of a customer', () => {
  let pace: CustomerPace;
  beforeEach(() => {
    pace = new CustomerPace();
  });
  afterEach(() => pace.close());

  const starts: string[] = [];
  let wakes = 0;
  /** A lane that always has something to start. */
  const lane = (name: string): RateLimitedLane & { tryStart(): void } => {
    const self = {
      tryStart() {
        if (!pace.mayStart(self, Date.now())) return;
        pace.start(Date.now());
        starts.push(name);
        self.tryStart();
      },
      onGranted() {
        wakes += 1;
        self.tryStart();
      },
    };
    return self;
  };

  it('grants starts to lanes one after another, and wakes one per start however many wait', async () => {
    pace.setLimit({ max: 50, perSeconds: 1 }, Date.now());
    const lanes = Array.from({ length: 20 }, (_, n) => lane(String(n)));
    for (const each of lanes) each.tryStart();
    await waitUntil(() => starts.length >= 61);
    pace.close();
    for (let round = 0; round < 3; round++) {
      const some = starts.slice(1 + round * 20, 21 + round * 20);
      expect(new Set(some).size).toBe(20);
    }
    expect(wakes).toBe(starts.length - 1);
  });

  it('passes over a lane that does not use its start', async () => {
    pace.setLimit({ max: 20, perSeconds: 1 }, Date.now());
    const seen: string[] = [];
    const busy: RateLimitedLane = { onGranted: () => undefined };
    pace.mayStart(busy, Date.now());
    pace.start(Date.now());
    const gone: RateLimitedLane = { onGranted: () => seen.push('gone') };
    const next: RateLimitedLane = { onGranted: () => seen.push('next') };
    pace.mayStart(gone, Date.now());
    pace.mayStart(next, Date.now());
    await waitUntil(() => seen.length === 2);
    expect(seen).toEqual(['gone', 'next']);
  });

  it('continues after what another owner sent in between, under the limit it had before', () => {
    const limit = { max: 1, perSeconds: 60 };
    const any: RateLimitedLane = { onGranted: () => undefined };
    pace.setLimit(limit, 0);
    expect(pace.mayStart(any, 0)).toBe(true);
    pace.start(0);
    const ownNextMs = pace.noteSend(0) ?? 0;
    pace.close();
    pace.setLimit(limit, 30_000, 75_000);
    expect(pace.sendsAtMs()).toBe(75_000);
    expect(pace.mayStart(any, ownNextMs + 1000)).toBe(false);
    // An older time takes nothing back, and one too far off is not believed.
    pace.setLimit(limit, 30_000, ownNextMs);
    expect(pace.sendsAtMs()).toBe(75_000);
    pace.setLimit(limit, 30_000, 999_999);
    expect(pace.sendsAtMs()).toBe(30_000 + 60_030);
  });

  it('lets everything start without a limit', () => {
    const free = new CustomerPace();
    const any: RateLimitedLane = { onGranted: () => undefined };
    for (let n = 0; n < 100; n++) {
      expect(free.mayStart(any, 0)).toBe(true);
      expect(free.start(0)).toBeNull();
    }
  });
});
