import { describe, expect, it } from '@jest/globals';

import { laneOf, type OneShotLane, oneShotLanesMax, originOf, serves } from './one-shot.js';

const lanes = (count: number): OneShotLane[] =>
  Array.from({ length: count }, (_, n) => ({
    id: `lane-${n}`,
    origin: `https://${n}.example`,
    shared: false,
  }));

describe('laneOf', () => {
  it('gives an origin the lane that was made for it, however many there are', () => {
    expect(laneOf(lanes(3), 'https://2.example')?.id).toBe('lane-2');
    expect(laneOf(lanes(oneShotLanesMax), 'https://2.example')?.id).toBe('lane-2');
  });

  it('gives a new one none while there is room for its own', () => {
    expect(laneOf(lanes(oneShotLanesMax - 1), 'https://new.example')).toBeUndefined();
  });

  it('spreads those that come late over all lanes, each always to the same', () => {
    const full = lanes(oneShotLanesMax);
    const late = Array.from({ length: 2_000 }, (_, n) => `https://late-${n}.example`);
    const chosen = late.map((origin) => laneOf(full, origin)?.id);
    expect(late.map((origin) => laneOf(full, origin)?.id)).toEqual(chosen);
    expect(new Set(chosen).size).toBe(oneShotLanesMax);
  });
});

it('a lane serves others only when it is shared', () => {
  const [lane] = lanes(1) as [OneShotLane];
  expect(serves(lane, 'https://0.example')).toBe(true);
  expect(serves(lane, 'https://1.example')).toBe(false);
  expect(serves({ ...lane, shared: true }, 'https://1.example')).toBe(true);
});

it.each([
  ['https://Example.com/a?b', 'https://example.com'],
  ['https://example.com:443/', 'https://example.com'],
  ['http://example.com:8080/a', 'http://example.com:8080'],
  ['https://[2001:db8::1]/', 'https://[2001:db8::1]'],
])('%s is at %s', (url, origin) => {
  expect(originOf(url)).toBe(origin);
});
