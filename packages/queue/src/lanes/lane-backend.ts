import {
  QueueKeys,
  RedisQueueBackend,
  type BackendFactory,
  type KeyPrefixOptions,
  type QueueBaseOptions,
  type RedisConnection,
} from 'bullmq';
import type { Permit, SlotSupplier } from '../flow-control/slot-supplier.js';

/**
 * The backend of one lane's Worker over a connection that all lanes share. A stock Worker opens a connection of its own to
 * block on; here the wait for the next job ends by an announcement, or when a delayed job is due. Before each fetch it reserves
 * a slot; while none is available nothing is sent to Redis, and the wait ends when one is.
 * What it replaces, and what it relies on, is pinned by lane-backend.contract.integration.test.ts.
 */
export class LaneBackend extends RedisQueueBackend {
  #wake: ((result: WaitResult) => void) | null = null;
  #timer: NodeJS.Timeout | undefined;
  /** Null: nothing is fetched. */
  #supplier: SlotSupplier | null = null;
  /** Of the jobs that were fetched and have not begun. */
  readonly #permits = new Map<string, Permit>();
  /** When the Worker wants its wait to end. */
  #workerDueAtMs = Infinity;
  #dueAtMs = Infinity;
  #dueKnown = false;
  #announced = false;
  /** No slot was available when a fetch was wanted: there may be more than was fetched. */
  #refused = false;
  /** When the Worker last began to wait for something to do. */
  waitingSinceMs = Date.now();
  /** Resolves when the Worker has looked for a job, whether there was one or not. */
  readonly looked: Promise<void>;
  readonly noteLooked: () => void;

  constructor(connection: RedisConnection, name: string, options: QueueBaseOptions & KeyPrefixOptions) {
    const queueKeys = new QueueKeys(options.prefix);
    super(
      connection,
      name,
      queueKeys.getKeys(name),
      (type) => queueKeys.toKey(name, type),
      options,
      undefined,
      false,
    );
    let noteLooked!: () => void;
    this.looked = new Promise((resolve) => {
      noteLooked = resolve;
    });
    this.noteLooked = noteLooked;
  }

  set supplier(supplier: SlotSupplier) {
    this.#supplier = supplier;
    supplier.onAvailable = () => this.#endOrProlongWait();
  }

  /** The permit under which a job was fetched, for its run. */
  takePermit(jobId: string): Permit {
    const permit = this.#permits.get(jobId);
    this.#permits.delete(jobId);
    if (!permit) throw new Error(`The job ${jobId} was fetched without a permit`);
    return permit;
  }

  /** Something was added to the lane; it may have been fetched already. */
  announce(): void {
    this.#announced = true;
    this.#endOrProlongWait();
  }

  /** A job of the lane is due then, at the earliest of what was noted. */
  noteDueAt(atMs: number): void {
    if (atMs >= this.#dueAtMs) return;
    this.#dueAtMs = atMs;
    this.#endOrProlongWait();
  }

  /**
   * When the lane's next job may be due, whether a slot is available then or not: 0 for at once, Infinity when nothing is known
   * to be due; null while it is not waiting.
   */
  waitingUntilMs(): number | null {
    return this.#wake ? this.#wantedAtMs() : null;
  }

  override waitForJob(timeoutSeconds: number): Promise<WaitResult> {
    return new Promise((resolve) => {
      this.#wake = (result) => {
        this.#wake = null;
        clearTimeout(this.#timer);
        resolve(result);
      };
      // Without a delayed job the Worker waits for its drainDelay: there is nothing to wake up for then.
      this.#workerDueAtMs =
        timeoutSeconds >= drainDelaySeconds ? Infinity : Date.now() + timeoutSeconds * 1000;
      this.#endOrProlongWait();
      if (this.waitingUntilMs() !== null) this.waitingSinceMs = Date.now();
    });
  }

  /** Ends the wait without a fetch: pause and close of a Worker wait for it. */
  override disconnectBlocking(): Promise<void> {
    this.#wake?.(fetchNothing);
    return Promise.resolve();
  }

  override reconnectBlocking(): Promise<void> {
    return Promise.resolve();
  }

  /** The shared connection was ready before the first lane opened. */
  override waitUntilReady(): Promise<void> {
    return Promise.resolve();
  }

  /** A refused fetch (Redis out of memory, read only after a failover) must not be repeated at once. */
  override async moveToActive(...args: Parameters<RedisQueueBackend['moveToActive']>): Promise<FetchedJob> {
    const permit = this.#reserve();
    if (!permit) {
      this.noteLooked();
      return [];
    }
    try {
      const fetched: FetchedJob = await super.moveToActive(...args);
      this.noteLooked();
      this.#noteNextDue(fetched);
      this.#noteFetched(permit, fetched);
      return fetched;
    } catch (error) {
      this.noteLooked();
      this.#supplier?.giveBack(permit);
      this.#announced = true;
      await new Promise((resolve) => setTimeout(resolve, fetchRetryMs));
      throw error;
    }
  }

  override moveToCompleted(
    ...args: Parameters<RedisQueueBackend['moveToCompleted']>
  ): ReturnType<RedisQueueBackend['moveToCompleted']> {
    const permit = args[4] ? this.#reserve() : null;
    args[4] = permit !== null;
    return this.#ending(permit, super.moveToCompleted(...args), ({ result }) => {
      this.#noteNextDue(result ?? []);
      return result ?? [];
    });
  }

  override moveToFailed(
    ...args: Parameters<RedisQueueBackend['moveToFailed']>
  ): ReturnType<RedisQueueBackend['moveToFailed']> {
    const permit = args[4] ? this.#reserve() : null;
    args[4] = permit !== null;
    return this.#ending(permit, super.moveToFailed(...args), ({ result }) => {
      this.#noteNextDue(result ?? []);
      return result ?? [];
    });
  }

  override moveToDelayed(
    ...args: Parameters<RedisQueueBackend['moveToDelayed']>
  ): ReturnType<RedisQueueBackend['moveToDelayed']> {
    const [, timestampMs, delayMs, , options] = args;
    const permit = options?.fetchNext ? this.#reserve() : null;
    args[4] = { ...options, fetchNext: permit !== null };
    return this.#ending(permit, super.moveToDelayed(...args), (fetched) => {
      this.noteDueAt(timestampMs + delayMs);
      // Alone of all fetches it does not say when the next delayed job is due.
      if (!fetched?.[0] && !this.#dueKnown) this.announce();
      return fetched ?? [];
    });
  }

  override async retryJob(...args: Parameters<RedisQueueBackend['retryJob']>): Promise<void> {
    await super.retryJob(...args);
    this.announce();
  }

  /**
   * A Worker takes the end of a job that fetched no next one for an empty lane, and waits. A stock backend's wait is ended
   * by the marker that is still in Redis then; ours by being announced.
   */
  async #ending<T>(
    permit: Permit | null,
    ending: Promise<T>,
    fetchedBy: (ended: T) => FetchedJob,
  ): Promise<T> {
    try {
      const ended = await ending;
      if (permit) this.#noteFetched(permit, fetchedBy(ended));
      else this.announce();
      return ended;
    } catch (error) {
      if (permit) this.#supplier?.giveBack(permit);
      this.announce();
      throw error;
    }
  }

  /** Null: nothing may be fetched. What was announced before a fetch is sent will be seen by it. */
  #reserve(): Permit | null {
    const nowMs = Date.now();
    const permit = this.#supplier?.reserve(nowMs) ?? null;
    if (!permit) {
      this.#refused = true;
      return null;
    }
    this.#announced = false;
    if (this.#dueAtMs <= nowMs) {
      this.#dueAtMs = Infinity;
      this.#dueKnown = false;
    }
    return permit;
  }

  #noteFetched(permit: Permit, [job, id]: FetchedJob): void {
    if (job) this.#permits.set(String(id), permit);
    else {
      this.#refused = false;
      this.#supplier?.giveBack(permit);
    }
    // There may be slots for more than the one that is fetched at the end of another.
    this.#endOrProlongWait();
  }

  #noteNextDue([job, , rateLimitMs, nextDueAtMs]: FetchedJob): void {
    if (job || Number(rateLimitMs ?? 0) > 0) return;
    this.#dueKnown = true;
    if (Number(nextDueAtMs ?? 0) > 0) this.noteDueAt(Math.floor(Number(nextDueAtMs)));
  }

  #wantedAtMs(): number {
    return this.#announced || this.#refused ? 0 : Math.min(this.#workerDueAtMs, this.#dueAtMs);
  }

  /** A wait ends when something is due and a slot is available, never before: a fetch that is refused would begin it again. */
  #endOrProlongWait(): void {
    if (!this.#wake) return;
    clearTimeout(this.#timer);
    const wantedAtMs = this.#wantedAtMs();
    if (wantedAtMs === Infinity) return;
    const nowMs = Date.now();
    const waitMs = Math.max(wantedAtMs, this.#supplier?.availableAtMs(nowMs) ?? Infinity) - nowMs;
    if (waitMs <= 0) this.#wake(fetchNow);
    else if (waitMs < Infinity) {
      this.#timer = setTimeout(() => this.#endOrProlongWait(), Math.min(timerMaxMs, Math.ceil(waitMs)));
    }
  }
}

/** How long a Worker with an empty lane waits; longer than BullMQ ever waits for a delayed job (10 s). */
export const drainDelaySeconds = 3600;

export function laneBackendFactory(connection: RedisConnection): BackendFactory<LaneBackend> {
  return (name, options) => new LaneBackend(connection, name, options);
}

/** `[job, its id, ms of a rate limit, when the next delayed job is due]`, or empty. */
type FetchedJob = unknown[];
type WaitResult = Awaited<ReturnType<RedisQueueBackend['waitForJob']>>;

// The marker that BullMQ's own blocking wait would have popped.
const fetchNow: WaitResult = { member: '0', score: 0 };
const fetchNothing: WaitResult = { member: '1', score: Infinity };
const fetchRetryMs = 500;
const timerMaxMs = 2 ** 31 - 1;
