import {
  QueueKeys,
  RedisQueueBackend,
  type BackendFactory,
  type KeyPrefixOptions,
  type QueueBaseOptions,
  type RedisConnection,
} from 'bullmq';

/**
 * The backend of one lane's Worker over a connection that all lanes share. A stock Worker opens a connection of its own to
 * block on; here the wait for the next job ends by an announcement, or when a delayed job is due.
 * What it replaces, and what it relies on, is pinned by lane-backend.contract.integration.test.ts.
 */
export class LaneBackend extends RedisQueueBackend {
  #wake: ((result: WaitResult) => void) | null = null;
  #timer: NodeJS.Timeout | undefined;
  #deadlineMs = Infinity;
  #dueAtMs = Infinity;
  #dueKnown = false;
  #announced = false;
  /** The Worker found nothing to do and waits. */
  onWait: () => void = () => undefined;

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
  }

  /** Something was added to the lane; it may have been fetched already. */
  announce(): void {
    this.#announced = true;
    this.#wake?.(fetchNow);
  }

  /** A job of the lane is due then, at the earliest of what was noted. */
  noteDueAt(atMs: number): void {
    if (atMs >= this.#dueAtMs) return;
    this.#dueAtMs = atMs;
    if (this.#wake && atMs < this.#deadlineMs) this.#arm(atMs);
  }

  /** When the lane's wait ends by itself: Infinity when nothing is known to be due; null while it is not waiting. */
  waitingUntilMs(): number | null {
    return this.#wake ? this.#deadlineMs : null;
  }

  override waitForJob(timeoutSeconds: number): Promise<WaitResult> {
    return new Promise((resolve) => {
      this.#wake = (result) => {
        this.#wake = null;
        clearTimeout(this.#timer);
        resolve(result);
      };
      if (this.#announced) {
        this.#wake(fetchNow);
        return;
      }
      // Without a delayed job the Worker asks to wait for its drainDelay: there is nothing to wake up for then.
      const fromWorker = timeoutSeconds >= drainDelaySeconds ? Infinity : Date.now() + timeoutSeconds * 1000;
      this.#arm(Math.min(fromWorker, this.#dueAtMs));
      this.onWait();
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
    this.#beforeFetch();
    try {
      const fetched: FetchedJob = await super.moveToActive(...args);
      this.#afterFetch(fetched);
      return fetched;
    } catch (error) {
      this.#announced = true;
      await new Promise((resolve) => setTimeout(resolve, fetchRetryMs));
      throw error;
    }
  }

  override moveToCompleted(
    ...args: Parameters<RedisQueueBackend['moveToCompleted']>
  ): ReturnType<RedisQueueBackend['moveToCompleted']> {
    const fetchNext = args[4];
    return this.#ending(fetchNext, super.moveToCompleted(...args), ({ result }) =>
      this.#afterFetch(result ?? []),
    );
  }

  override moveToFailed(
    ...args: Parameters<RedisQueueBackend['moveToFailed']>
  ): ReturnType<RedisQueueBackend['moveToFailed']> {
    const fetchNext = args[4];
    return this.#ending(fetchNext, super.moveToFailed(...args), ({ result }) =>
      this.#afterFetch(result ?? []),
    );
  }

  override moveToDelayed(
    ...args: Parameters<RedisQueueBackend['moveToDelayed']>
  ): ReturnType<RedisQueueBackend['moveToDelayed']> {
    const [, timestampMs, delayMs, , options] = args;
    return this.#ending(options?.fetchNext ?? false, super.moveToDelayed(...args), (fetched) => {
      this.noteDueAt(timestampMs + delayMs);
      // Alone of all fetches it does not say when the next delayed job is due.
      if (!fetched?.[0] && !this.#dueKnown) this.announce();
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
  async #ending<T>(fetchNext: boolean, ending: Promise<T>, afterFetch: (ended: T) => void): Promise<T> {
    if (fetchNext) this.#beforeFetch();
    try {
      const ended = await ending;
      if (fetchNext) afterFetch(ended);
      else this.announce();
      return ended;
    } catch (error) {
      this.announce();
      throw error;
    }
  }

  /** What was announced before a fetch is sent will be seen by it. */
  #beforeFetch(): void {
    this.#announced = false;
    if (this.#dueAtMs > Date.now()) return;
    this.#dueAtMs = Infinity;
    this.#dueKnown = false;
  }

  #afterFetch([job, , rateLimitMs, nextDueAtMs]: FetchedJob): void {
    if (job || Number(rateLimitMs ?? 0) > 0) return;
    this.#dueKnown = true;
    if (Number(nextDueAtMs ?? 0) > 0) this.noteDueAt(Math.floor(Number(nextDueAtMs)));
  }

  #arm(deadlineMs: number): void {
    clearTimeout(this.#timer);
    this.#deadlineMs = deadlineMs;
    if (deadlineMs === Infinity) return;
    const waitMs = Math.min(timerMaxMs, Math.max(0, Math.ceil(deadlineMs - Date.now())));
    this.#timer = setTimeout(() => this.#wake?.(fetchNow), waitMs);
  }
}

/** How long a Worker with an empty lane asks to wait; longer than BullMQ ever waits for a delayed job (10 s). */
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
