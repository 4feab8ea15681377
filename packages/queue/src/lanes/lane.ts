import { DelayedError, Worker, type Job, type RedisConnection } from 'bullmq';
import type { Redis } from 'ioredis';
import type { Logger } from '@posthorn/runtime';
import type { JobVerdict, LaneJob } from '../delivery-job.js';
import type { DispatcherOptions, LaneLimits } from '../dispatcher-options.js';
import type { InFlightSlots, SlotHolder } from '../flow-control/in-flight-slots.js';
import { lockLost, type JobLocks } from './job-locks.js';
import { drainDelaySeconds, laneBackendFactory, type LaneBackend } from './lane-backend.js';
import type { LaneGate } from '../flow-control/lane-gate.js';
import type { LaneJobData } from './lane-job.js';
import { RetryLater } from './retry-later.js';
import { turnOf } from '../flow-control/send-turn.js';

/** What all lanes of a process share. */
export interface LaneContext {
  readonly redis: Redis;
  readonly connection: RedisConnection;
  readonly prefix: string;
  readonly jobLockMs: number;
  readonly handle: DispatcherOptions['handle'];
  readonly locks: JobLocks;
  readonly slots: InFlightSlots<SlotHolder>;
  readonly logger: Logger;
  readonly random: () => number;
  /** Jobs whose worker was lost and that wait again. */
  readonly onStalled: (jobs: number) => void;
}

/** Why a job was aborted or not started: this process is stopping. */
export const stopping = new DOMException('The worker stops', 'AbortError');

/**
 * One open lane: a BullMQ Worker on the shared connection. It stays a stock Worker, only that its locks and stalled jobs are
 * looked after for all lanes together, and that each job waits for one of its customer's places.
 */
export class Lane {
  limits: LaneLimits;
  limitsAtMs = Date.now();
  inFlight = 0;
  idleSinceMs = Date.now();
  /** Resolves when it has looked for its first job, or has closed. */
  readonly opened: Promise<void>;
  readonly #context: LaneContext;
  readonly #worker: Worker<LaneJobData, void>;
  readonly #backend: LaneBackend;
  readonly #running = new Set<(reason: unknown) => void>();
  readonly #queued = new Set<(reason: unknown) => void>();
  #stalledCheck: Promise<void> | undefined;

  constructor(
    context: LaneContext,
    readonly name: string,
    private readonly owner: SlotHolder & {
      readonly customerId: string;
      starts: number;
      laneChanged(): void;
      takesRetry(delayMs: number): boolean;
    },
    limits: LaneLimits,
    readonly gate: LaneGate,
  ) {
    this.#context = context;
    this.limits = limits;
    const worker = new Worker<LaneJobData, void, string, LaneBackend>(
      name,
      (job, token) => this.#run(job, token ?? ''),
      {
        connection: context.redis,
        prefix: context.prefix,
        concurrency: Math.max(1, Math.min(limits.endpointMaxInFlight, owner.slotsMax)),
        lockDuration: context.jobLockMs,
        skipLockRenewal: true,
        skipStalledCheck: true,
        maxStalledCount: Number.MAX_SAFE_INTEGER,
        // Only how long a stalled check keeps the next one out; who checks when is decided by the dispatcher.
        stalledInterval: 1,
        drainDelay: drainDelaySeconds,
        runRetryDelay: 500,
        removeOnComplete: { count: 0 },
        removeOnFail: { count: 0 },
        settings: {
          backoffStrategy: (_made, _type, error) => (error instanceof RetryLater ? error.delayMs : 1000),
        },
      },
      laneBackendFactory(context.connection),
    );
    this.#worker = worker;
    this.#backend = worker.getBackend();
    this.#backend.gate = gate;
    this.#backend.onWait = () => {
      if (!this.busy) this.#becameIdle();
    };
    this.opened = new Promise((resolve) => {
      this.#backend.onLooked = resolve;
    });
    worker.on('error', (error) => this.#report(error));
  }

  /** False when nothing runs and it waits for something to do. */
  get busy(): boolean {
    return this.inFlight > 0 || this.#backend.waitingUntilMs() === null;
  }

  /** Whether it has been waiting for at least `idleMs` and will have nothing to do for `quietMs`. */
  isCold(nowMs: number, idleMs: number, quietMs: number): boolean {
    if (this.busy || nowMs - this.idleSinceMs < idleMs) return false;
    const untilMs = this.#backend.waitingUntilMs();
    return untilMs !== null && untilMs - nowMs > quietMs;
  }

  announce(): void {
    this.#backend.announce();
  }

  noteDueAt(atMs: number): void {
    this.#backend.noteDueAt(atMs);
  }

  setConcurrency(concurrency: number): void {
    const before = this.#worker.concurrency;
    if (concurrency === before) return;
    this.#worker.concurrency = concurrency;
    // A Worker with all its places taken looks at its concurrency again only when a job ends, which may be long.
    if (concurrency > before && this.inFlight >= before && !this.#worker.closing) {
      void this.#worker.pause(true).then(() => this.#worker.resume());
    }
  }

  /** Moves jobs whose lock is gone back to where they wait. */
  checkStalled(): void {
    if (this.#worker.closing) return;
    this.#stalledCheck ??= this.#moveStalled().finally(() => {
      this.#stalledCheck = undefined;
    });
  }

  /** Fetches nothing more; resolves when the last job has ended. Jobs that wait for a place go back where they waited. */
  async close(): Promise<void> {
    const closed = this.#worker.close();
    for (const abort of this.#queued) abort(stopping);
    await closed;
    this.#backend.onLooked();
    this.gate.leave();
    // It writes the lane's meta hash anew, which must not happen after the lane's leftovers were removed.
    await this.#stalledCheck;
  }

  abortRunning(reason: unknown): void {
    for (const abort of this.#running) abort(reason);
  }

  async #run(job: Job<LaneJobData, void>, token: string): Promise<void> {
    const { locks, slots, handle } = this.#context;
    const lock = locks.hold(this.#backend, job.id ?? '', token, job.processedOn ?? Date.now());
    const permit = this.#backend.takePermit(job.id ?? '');
    let verdict: JobVerdict | undefined;
    this.#running.add(lock.abort);
    this.inFlight++;
    if (this.inFlight === 1) this.owner.laneChanged();
    try {
      const turn = slots.take(this.owner, lock.signal);
      if (turn) {
        this.#queued.add(lock.abort);
        await turn.finally(() => this.#queued.delete(lock.abort));
      }
      this.owner.starts++;
      try {
        const { deliveryId, eventId, endpointId, generation } = job.data;
        const laneJob: LaneJob = {
          customerId: this.owner.customerId,
          deliveryId,
          eventId,
          endpointId,
          generation,
        };
        verdict = await handle(laneJob, lock.signal, turnOf(this.gate, permit, lock.signal));
        // One that is far away may wait in Postgres alone: then this job is over.
        if (verdict.kind === 'retry' && this.owner.takesRetry(verdict.delayMs))
          throw new RetryLater(verdict.delayMs);
      } finally {
        slots.give(this.owner);
      }
    } catch (error) {
      throw this.#refusalOf(error, job, lock.signal);
    } finally {
      if (lock.signal.reason === lockLost) this.checkStalled();
      lock.release();
      // Before BullMQ is told, which fetches the next job: that is to know how this one went.
      if (permit)
        this.gate.end(permit, verdict?.healthSignal?.kind ?? 'none', verdict?.healthSignal?.pauseMs);
      this.#running.delete(lock.abort);
      this.inFlight--;
      if (!this.busy) this.#becameIdle();
    }
  }

  /**
   * How BullMQ is told: an error with a delay becomes one `moveToDelayed`, which also fetches the next job: the cheapest
   * native retry (`job.moveToDelayed` and DelayedError take two scripts).
   */
  #refusalOf(error: unknown, job: Job<LaneJobData, void>, signal: AbortSignal): Error {
    // Somebody else's job now: DelayedError makes BullMQ leave it alone and fetch the next.
    if (signal.reason === lockLost) return new DelayedError('lock lost');
    if (error instanceof RetryLater) return error;
    if (signal.aborted) return new RetryLater(0);
    this.#context.logger.warn('job.handler_failed', {
      error,
      lane: this.name,
      delivery_id: job.data.deliveryId,
      generation: job.data.generation,
    });
    return new RetryLater(1000 + this.#context.random() * 4000);
  }

  /** BullMQ's check marks the active jobs, and moves those which an earlier one marked and which have no lock. */
  async #moveStalled(): Promise<void> {
    try {
      let moved = 0;
      for (let pass = 0; pass < 2; pass++) {
        if (pass > 0) await new Promise((resolve) => setTimeout(resolve, 5));
        moved += (await this.#backend.moveStalledJobsToWait()).length;
      }
      if (moved === 0) return;
      this.#context.onStalled(moved);
      this.announce();
    } catch (error) {
      this.#report(error);
    }
  }

  #becameIdle(): void {
    this.idleSinceMs = Date.now();
    this.owner.laneChanged();
  }

  #report(error: unknown): void {
    const { logger } = this.#context;
    // BullMQ could not end a job whose lock or key is gone (codes −1, −2, −3, −6): another worker has it, or Redis lost it.
    const code = (error as { code?: unknown }).code;
    if (typeof code === 'number' && code < 0) logger.debug('job.not_ours', { error, lane: this.name });
    else logger.warn('lane.error', { error, lane: this.name });
  }
}
