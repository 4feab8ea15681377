import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { createGroupCommit, GroupCommitOverloaded } from './group-commit.js';

/** Commits that end when the test says so, in any order. */
function heldCommits() {
  const started: { items: number[]; succeed: () => void; fail: (error: unknown) => void }[] = [];
  const commit = (items: number[]) =>
    new Promise<string[]>((resolve, reject) => {
      started.push({ items, succeed: () => resolve(items.map((item) => `r${item}`)), fail: reject });
    });
  return { started, commit };
}

const nextTurn = () => new Promise((resolve) => setImmediate(resolve));

describe('group commit', () => {
  it('commits items that arrive together at once, and gives each its own result', async () => {
    const { started, commit } = heldCommits();
    const add = createGroupCommit({ commit });
    const results = Promise.all([add(1), add(2), add(3)]);
    expect(started).toHaveLength(0);
    await nextTurn();
    expect(started.map(({ items }) => items)).toEqual([[1, 2, 3]]);
    started[0]!.succeed();
    await expect(results).resolves.toEqual(['r1', 'r2', 'r3']);
  });

  it('lets later items gather while a commit runs', async () => {
    const { started, commit } = heldCommits();
    const add = createGroupCommit({ commit, overlapAfterMs: 60_000 });
    const results: Promise<string>[] = [];
    for (const item of [1, 2, 3]) {
      results.push(add(item));
      await nextTurn();
    }
    expect(started.map(({ items }) => items)).toEqual([[1]]);
    started[0]!.succeed();
    await expect(results[0]).resolves.toBe('r1');
    await nextTurn();
    expect(started.map(({ items }) => items)).toEqual([[1], [2, 3]]);
    started[1]!.succeed();
    await expect(Promise.all(results)).resolves.toEqual(['r1', 'r2', 'r3']);
  });

  it('starts another beside a commit that takes long, and no more than permitted', async () => {
    const { started, commit } = heldCommits();
    const add = createGroupCommit({ commit, concurrencyMax: 2, overlapAfterMs: 1 });
    const results = [add(1)];
    await nextTurn();
    results.push(add(2), add(3));
    while (started.length < 2) await nextTurn();
    results.push(add(4), add(5));
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(started.map(({ items }) => items)).toEqual([[1], [2, 3]]);
    started[1]!.succeed();
    while (started.length < 3) await nextTurn();
    expect(started.map(({ items }) => items)).toEqual([[1], [2, 3], [4, 5]]);
    started[0]!.succeed();
    started[2]!.succeed();
    await expect(Promise.all(results)).resolves.toEqual(['r1', 'r2', 'r3', 'r4', 'r5']);
  });

  it('has few items gather for a while after a commit began, and commits at once when they are many', async () => {
    const { started, commit } = heldCommits();
    const add = createGroupCommit({ commit, gatherMs: 60_000, gatherItems: 3 });
    const results = [add(1)];
    await nextTurn();
    expect(started.map(({ items }) => items)).toEqual([[1]]);
    started[0]!.succeed();
    await results[0];
    for (const item of [2, 3]) {
      results.push(add(item));
      await nextTurn();
    }
    expect(started).toHaveLength(1);
    results.push(add(4));
    await nextTurn();
    expect(started.map(({ items }) => items)).toEqual([[1], [2, 3, 4]]);
    started[1]!.succeed();
    await expect(Promise.all(results)).resolves.toEqual(['r1', 'r2', 'r3', 'r4']);
  });

  it('commits what has gathered when the time is up', async () => {
    const begunAtMs: number[] = [];
    const add = createGroupCommit({
      commit: async (items: number[]) => {
        begunAtMs.push(performance.now());
        return items;
      },
      gatherMs: 20,
    });
    for (let item = 0; item < 10; item++) await add(item);
    expect(begunAtMs).toHaveLength(10);
    // 180 less what lies between the start of a commit and the time that is noted here.
    expect(begunAtMs[9]! - begunAtMs[0]!).toBeGreaterThan(100);
  });

  it('lets items that gathered behind a commit go as soon as they may, not when a slow one would have let them', async () => {
    const { started, commit } = heldCommits();
    const add = createGroupCommit({ commit, overlapAfterMs: 60_000, gatherMs: 1 });
    const results = [add(1)];
    await nextTurn();
    results.push(add(2));
    await nextTurn();
    started[0]!.succeed();
    while (started.length < 2) await nextTurn();
    expect(started.map(({ items }) => items)).toEqual([[1], [2]]);
    started[1]!.succeed();
    await expect(Promise.all(results)).resolves.toEqual(['r1', 'r2']);
  });

  it('puts no more than batchMax items into one commit, in order of arrival', async () => {
    const batches: number[][] = [];
    const add = createGroupCommit({
      commit: async (items: number[]) => {
        batches.push(items);
        return items;
      },
      batchMax: 3,
      concurrencyMax: 1,
    });
    await Promise.all([1, 2, 3, 4, 5, 6, 7].map(add));
    expect(batches).toEqual([[1, 2, 3], [4, 5, 6], [7]]);
  });

  it('settles every item exactly once with its own outcome, whichever rows are bad', async () => {
    const workload = fc.record({
      turns: fc.array(fc.array(fc.boolean(), { maxLength: 12 }), { maxLength: 12 }),
      batchMax: fc.integer({ min: 1, max: 8 }),
      concurrencyMax: fc.integer({ min: 1, max: 3 }),
      gatherMs: fc.constantFrom(0, 1),
      gatherItems: fc.integer({ min: 1, max: 8 }),
    });
    await fc.assert(
      fc.asyncProperty(workload, async ({ turns, batchMax, ...options }) => {
        interface Item {
          id: number;
          bad: boolean;
        }
        const committed: number[] = [];
        let running = 0;
        const add = createGroupCommit({
          commit: async (items: Item[]) => {
            expect(items.length).toBeLessThanOrEqual(batchMax);
            expect(++running).toBeLessThanOrEqual(options.concurrencyMax);
            await nextTurn();
            running--;
            const bad = items.find((item) => item.bad);
            if (bad) throw new Error(`bad ${bad.id}`);
            committed.push(...items.map(({ id }) => id));
            return items.map(({ id }) => id);
          },
          batchMax,
          ...options,
        });

        let nextId = 0;
        const items: Item[] = [];
        const outcomes: Promise<PromiseSettledResult<number>>[] = [];
        for (const turn of turns) {
          for (const bad of turn) {
            const item = { id: nextId++, bad };
            items.push(item);
            outcomes.push(settled(add(item)));
          }
          await nextTurn();
        }
        await add.idle();
        expect(add.pending()).toBe(0);

        const settledOutcomes = await Promise.all(outcomes);
        for (const [index, { id, bad }] of items.entries()) {
          const outcome = settledOutcomes[index]!;
          if (bad) expect(outcome).toMatchObject({ status: 'rejected', reason: { message: `bad ${id}` } });
          else expect(outcome).toEqual({ status: 'fulfilled', value: id });
        }
        const good = items.filter(({ bad }) => !bad).map(({ id }) => id);
        expect([...committed].sort((a, b) => a - b)).toEqual(good);
      }),
      { numRuns: 100 },
    );
  });

  it('finds one bad row in 500 with a few dozen commits', async () => {
    let commits = 0;
    const add = createGroupCommit({
      commit: async (items: number[]) => {
        commits++;
        if (items.includes(321)) throw new Error('bad row');
        return items;
      },
    });
    const outcomes = await Promise.all(Array.from({ length: 500 }, (_, item) => settled(add(item))));
    expect(outcomes.flatMap(({ status }, item) => (status === 'rejected' ? [item] : []))).toEqual([321]);
    expect(commits).toBeLessThan(24);
  });

  it('refuses the whole batch at once when the error is nobody’s row', async () => {
    let commits = 0;
    const gone = new Error('connection gone');
    const add = createGroupCommit({
      commit: () => {
        commits++;
        return Promise.reject<number[]>(gone);
      },
      isRetryableRowByRow: (error) => error !== gone,
    });
    const outcomes = await Promise.all([1, 2, 3, 4].map((item) => settled(add(item))));
    expect(outcomes).toEqual(Array(4).fill({ status: 'rejected', reason: gone }));
    expect(commits).toBe(1);
  });

  it('stops looking for the bad row when the connection goes on the way', async () => {
    const batches: number[][] = [];
    const gone = new Error('connection gone');
    const add = createGroupCommit({
      commit: (items: number[]) => {
        batches.push(items);
        return Promise.reject<number[]>(batches.length === 1 ? new Error('bad row') : gone);
      },
      isRetryableRowByRow: (error) => error !== gone,
    });
    const outcomes = await Promise.all([1, 2, 3, 4].map((item) => settled(add(item))));
    expect(outcomes).toEqual(Array(4).fill({ status: 'rejected', reason: gone }));
    expect(batches).toEqual([
      [1, 2, 3, 4],
      [1, 2],
    ]);
  });

  it('rejects everything and tries nothing twice when commit gives the wrong number of results', async () => {
    let commits = 0;
    const add = createGroupCommit({
      commit: async (_items: number[]) => {
        commits++;
        return [1];
      },
    });
    const outcomes = await Promise.all([1, 2, 3].map((item) => settled(add(item))));
    expect(outcomes.map(({ status }) => status)).toEqual(['rejected', 'rejected', 'rejected']);
    expect(commits).toBe(1);
  });

  it('survives a commit that throws instead of rejecting', async () => {
    const add = createGroupCommit<number, number>({
      commit: () => {
        throw new Error('thrown');
      },
    });
    await expect(Promise.all([add(1), add(2)])).rejects.toThrow('thrown');
    await add.idle();
    expect(add.pending()).toBe(0);
  });

  it('refuses items over queueMax while the ones before them are still committed', async () => {
    const { started, commit } = heldCommits();
    const add = createGroupCommit({ commit, queueMax: 2, concurrencyMax: 1 });
    const accepted = [add(1), add(2)];
    await expect(add(3)).rejects.toThrow(GroupCommitOverloaded);
    await nextTurn();
    accepted.push(add(4), add(5));
    await expect(add(6)).rejects.toBeInstanceOf(GroupCommitOverloaded);
    expect(add.pending()).toBe(4);
    started[0]!.succeed();
    await Promise.all(accepted.slice(0, 2));
    await nextTurn();
    started[1]!.succeed();
    await expect(Promise.all(accepted)).resolves.toEqual(['r1', 'r2', 'r4', 'r5']);
  });

  it('bounds commits and what waits by weight, where items have one', async () => {
    const { started, commit } = heldCommits();
    const add = createGroupCommit({
      commit,
      weightOf: (item: number) => item,
      batchMax: 10,
      queueMax: 30,
      concurrencyMax: 1,
    });
    const accepted = [4, 5, 2, 25].map((item) => add(item));
    expect(add.waiting()).toBe(36);
    await expect(add(1)).rejects.toBeInstanceOf(GroupCommitOverloaded);
    for (let batch = 0; batch < 3; batch += 1) {
      await nextTurn();
      started[batch]!.succeed();
      await nextTurn();
    }
    await Promise.all(accepted);
    expect(started.map(({ items }) => items)).toEqual([[4, 5], [2], [25]]);
    expect([add.waiting(), add.pending()]).toEqual([0, 0]);
  });

  it('begins a commit of full weight at once, however few items it has', async () => {
    const { started, commit } = heldCommits();
    const add = createGroupCommit({
      commit,
      weightOf: (item: number) => item,
      batchMax: 10,
      overlapAfterMs: 60_000,
    });
    const first = add(1);
    await nextTurn();
    const full = [4, 6].map((item) => add(item));
    await nextTurn();
    expect(started.map(({ items }) => items)).toEqual([[1], [4, 6]]);
    for (const { succeed } of started) succeed();
    await Promise.all([first, ...full]);
  });

  it('is idle only when every accepted item has settled, a failed one too', async () => {
    const { started, commit } = heldCommits();
    const add = createGroupCommit({ commit, concurrencyMax: 1 });
    await add.idle();
    const first = settled(add(1));
    let isIdle = false;
    const idle = add.idle().then(() => {
      isIdle = true;
    });
    await nextTurn();
    const second = settled(add(2));
    started[0]!.fail(new Error('bad'));
    await first;
    await nextTurn();
    expect(isIdle).toBe(false);
    started[1]!.succeed();
    await Promise.all([second, idle]);
    expect(add.pending()).toBe(0);
  });
});

async function settled<R>(promise: Promise<R>): Promise<PromiseSettledResult<R>> {
  const [outcome] = await Promise.allSettled([promise]);
  return outcome;
}
