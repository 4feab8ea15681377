import { performance } from 'node:perf_hooks';

export interface GroupCommitOptions<T, R> {
  /** One statement for all items; results in the order of the items. Must be all or nothing. */
  commit: (items: T[]) => Promise<R[]>;
  /** What an item counts for in `batchMax` and `queueMax`, at least 1: the rows that it writes, say. Default 1. */
  weightOf?: (item: T) => number;
  /** The weight of one commit, at most; an item that weighs more has one of its own. */
  batchMax?: number;
  /** Commits that run at the same time, at most. */
  concurrencyMax?: number;
  /** How long the newest commit has the next items wait for it; past it they start another beside it. Default 0. */
  overlapAfterMs?: number;
  /** How long after the newest commit began the next one begins, while few items wait. Default 0: at once. */
  gatherMs?: number;
  /** From this number on, waiting items are not few. Default 8. */
  gatherItems?: number;
  /** The weight that may wait for a commit; past it a call is refused with `GroupCommitOverloaded`. */
  queueMax?: number;
  /** False for errors that a smaller batch would not avoid (the connection is gone): they fail the whole batch at once. */
  isRetryableRowByRow?: (error: unknown) => boolean;
}

export interface GroupCommit<T, R> {
  /** Settles once: with the item's own result after its commit, or with the error that concerns it. */
  (item: T): Promise<R>;
  /** Items accepted and not yet settled. */
  pending(): number;
  /** The weight of the items that no commit has taken yet. */
  waiting(): number;
  /** How long the first of those has been waiting; 0 when there is none. */
  waitedMs(): number;
  /** Resolves when nothing is pending. */
  idle(): Promise<void>;
}

export class GroupCommitOverloaded extends Error {
  override readonly name = 'GroupCommitOverloaded';
}

/**
 * Items that arrive together share one commit. An idle group waits for the end of the current iteration of the event
 * loop, no longer; while `concurrencyMax` commits run, later items gather. Where a commit costs more than its items wait (each
 * has to reach the disk), `overlapAfterMs` has them gather behind the first already, unless it takes longer than usual, and
 * `gatherMs` spaces commits that would hold an item or two each: under a steady load of single items most of the cost is
 * the commit's own.
 *
 * A failed batch is halved until the bad rows stand alone, so only they fail, and one bad row in 500 costs some twenty
 * statements rather than 500. Hence a commit must undo everything when it rejects.
 */
export function createGroupCommit<T, R>({
  commit,
  weightOf,
  batchMax = 500,
  concurrencyMax = 2,
  overlapAfterMs = 0,
  gatherMs = 0,
  gatherItems = 8,
  queueMax = Infinity,
  isRetryableRowByRow = () => true,
}: GroupCommitOptions<T, R>): GroupCommit<T, R> {
  // The hot path of every accept and settle. Batches are filled in place rather than cut from a queue, and one executor
  // serves all promises: it runs at once, so what it captured belongs to the promise just made.
  let resolveNewest!: (result: R) => void;
  let rejectNewest!: (error: unknown) => void;
  const capture = (resolve: (result: R) => void, reject: (error: unknown) => void) => {
    resolveNewest = resolve;
    rejectNewest = reject;
  };

  const fullBatches: Batch<T, R>[] = [];
  let gathering = emptyBatch<T, R>();
  let waiting = 0;
  let pending = 0;
  let running = 0;
  let startIsScheduled = false;
  let newestStartedMs = -Infinity;
  let timer: NodeJS.Timeout | undefined;
  let timerAtMs = Infinity;
  let idleWaiters: (() => void)[] = [];

  function add(item: T): Promise<R> {
    if (waiting >= queueMax) return Promise.reject(new GroupCommitOverloaded(`${waiting} are waiting`));
    const promise = new Promise<R>(capture);
    const weight = weightOf ? weightOf(item) : 1;
    if (gathering.weight > 0 && gathering.weight + weight > batchMax) closeGathering();
    if (gathering.items.length === 0) gathering.sinceMs = performance.now();
    gathering.items.push(item);
    gathering.resolves.push(resolveNewest);
    gathering.rejects.push(rejectNewest);
    gathering.weight += weight;
    waiting += weight;
    pending++;
    if (gathering.weight >= batchMax) closeGathering();
    scheduleStart();
    return promise;
  }

  function closeGathering(): void {
    fullBatches.push(gathering);
    gathering = emptyBatch();
  }

  function scheduleStart(): void {
    if (startIsScheduled || running >= concurrencyMax || waiting === 0) return;
    const atMs = startsAtMs();
    const inMs = atMs === 0 ? 0 : atMs - performance.now();
    if (inMs <= 0) {
      startIsScheduled = true;
      setImmediate(start);
    } else if (atMs < timerAtMs) {
      clearTimeout(timer);
      timerAtMs = atMs;
      timer = setTimeout(timeIsUp, inMs);
    }
  }

  /** 0 for at once. */
  function startsAtMs(): number {
    if (fullBatches.length > 0) return 0;
    const few = gathering.items.length < gatherItems;
    const waitsMs = Math.max(running > 0 ? overlapAfterMs : 0, few ? gatherMs : 0);
    return waitsMs === 0 ? 0 : newestStartedMs + waitsMs;
  }

  function timeIsUp(): void {
    timerAtMs = Infinity;
    // A newer commit may have begun since the timer was set.
    scheduleStart();
  }

  function start(): void {
    startIsScheduled = false;
    clearTimeout(timer);
    timerAtMs = Infinity;
    if (waiting > 0 && running < concurrencyMax) void run(nextBatch());
    scheduleStart();
  }

  function nextBatch(): Batch<T, R> {
    const full = fullBatches.shift();
    if (full) return full;
    const batch = gathering;
    gathering = emptyBatch();
    return batch;
  }

  async function run(batch: Batch<T, R>): Promise<void> {
    const size = batch.items.length;
    waiting -= batch.weight;
    running++;
    newestStartedMs = performance.now();
    await settle(batch);
    pending -= size;
    running--;
    scheduleStart();
    if (pending === 0) announceIdle();
  }

  /** Never rejects: every item's promise is settled when it resolves. */
  async function settle(batch: Batch<T, R>): Promise<BatchEnd> {
    const { items, resolves } = batch;
    try {
      const results = await commit(items);
      if (results.length !== items.length) throw new WrongResultCount(results.length, items.length);
      for (let index = 0; index < results.length; index++) resolves[index]?.(results[index] as R);
      return { kind: 'examined' };
    } catch (error) {
      if (error instanceof WrongResultCount || !isRetryableRowByRow(error)) return giveUp(batch, error);
      if (items.length > 1) return settleHalves(batch);
      batch.rejects[0]?.(error);
      return { kind: 'examined' };
    }
  }

  async function settleHalves(batch: Batch<T, R>): Promise<BatchEnd> {
    const middle = batch.items.length >> 1;
    const first = await settle(part(batch, 0, middle));
    const rest = part(batch, middle, batch.items.length);
    if (first.kind === 'given_up') return giveUp(rest, first.error);
    return settle(rest);
  }

  function announceIdle(): void {
    const waiters = idleWaiters;
    idleWaiters = [];
    for (const resolve of waiters) resolve();
  }

  return Object.assign(add, {
    pending: () => pending,
    waiting: () => waiting,
    waitedMs: () => (waiting === 0 ? 0 : performance.now() - (fullBatches[0] ?? gathering).sinceMs),
    idle: () =>
      pending === 0
        ? Promise.resolve()
        : new Promise<void>((resolve) => {
            idleWaiters.push(resolve);
          }),
  });
}

/** Items and their promises in parallel arrays: `commit` gets the items as they are, without a pass over the batch. */
interface Batch<T, R> {
  /** When its first item came. */
  sinceMs: number;
  weight: number;
  items: T[];
  resolves: ((result: R) => void)[];
  rejects: ((error: unknown) => void)[];
}

/** `given_up`: all of it failed with one error. Otherwise each item has the result, or the error, that is its own. */
type BatchEnd = { kind: 'examined' } | { kind: 'given_up'; error: unknown };

/** A bug in `commit`. The rows may well have been written, so nothing is tried again. */
class WrongResultCount extends Error {
  override readonly name = 'WrongResultCount';

  constructor(results: number, items: number) {
    super(`commit gave ${results} results for ${items} items`);
  }
}

function emptyBatch<T, R>(): Batch<T, R> {
  return { sinceMs: 0, weight: 0, items: [], resolves: [], rejects: [] };
}

function part<T, R>(
  { sinceMs, weight, items, resolves, rejects }: Batch<T, R>,
  from: number,
  to: number,
): Batch<T, R> {
  return {
    sinceMs,
    weight,
    items: items.slice(from, to),
    resolves: resolves.slice(from, to),
    rejects: rejects.slice(from, to),
  };
}

function giveUp<T, R>(batch: Batch<T, R>, error: unknown): BatchEnd {
  for (const reject of batch.rejects) reject(error);
  return { kind: 'given_up', error };
}
