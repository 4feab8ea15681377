import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';

import { deepValues } from './support/fuzz/hostile-values.js';
import { type FuzzWorld, openFuzzWorld } from './support/fuzz/fuzz-world.js';
import { plansOf } from './support/fuzz/plan.js';
import { describeResult, runFuzz } from './support/fuzz/run-fuzz.js';

// `npm run fuzz -- --requests 20000` sends more, with another seed each time.
const seed = 20_261_121;
const requests = 300;

let world: FuzzWorld;

beforeAll(async () => {
  world = await openFuzzWorld();
}, 300_000);
afterAll(() => world.close(), 300_000);

describe('whatever is sent', () => {
  it('is answered as the OpenAPI document says, and never with an error of ours', async () => {
    const result = await runFuzz(world, { seed, requests });
    if (result.problems.length > 0) throw new Error(describeResult(result, seed));
    // Right requests are among them, or this would say little.
    const statuses = new Set([...result.seen.keys()].map((kind) => kind.split(' ')[1]));
    expect([...statuses]).toEqual(
      expect.arrayContaining(['200', '201', '202', '204', '400', '404', '409', '422']),
    );
  }, 600_000);

  it('may be nested too deeply for a stack, wherever it stands', async () => {
    const deep = (round: number) => deepValues[round % deepValues.length] ?? '';
    const result = await runFuzz(world, {
      seed,
      requests: 150,
      // In place of a member of the body, and of something further in.
      bodyFaults: (round) => [
        round % 2 === 0
          ? { kind: 'json', text: JSON.stringify(deep(round)) }
          : { kind: 'value', value: deep(round) },
      ],
    });
    if (result.problems.length > 0) throw new Error(describeResult(result, seed));
    const statuses = new Set([...result.seen.keys()].map((kind) => kind.split(' ')[1]));
    expect([...statuses]).toEqual(expect.arrayContaining(['202', '400']));
  }, 600_000);

  it('is the same for the same seed', () => {
    expect(plansOf(seed, 50)).toEqual(plansOf(seed, 50));
    expect(plansOf(seed, 50)).not.toEqual(plansOf(seed + 1, 50));
  });
});
