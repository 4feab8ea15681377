import { DelayedError, Worker, type Job, type RedisConnection } from 'bullmq';
import type { Redis } from 'ioredis';
import { encodeId, type DeliveryRef } from '@posthorn/domain';
import type { Logger } from '@posthorn/runtime';
import type { JobVerdict } from '../delivery-job.js';
import type { DispatcherOptions } from '../dispatcher-options.js';
import type { SlotSupplier } from '../flow-control/slot-supplier.js';
import { RetryLater } from '../retry-later.js';
import type { DelayedTally } from './delayed-tally.js';
import { lockLost, type JobLocks } from './job-locks.js';
import { drainDelaySeconds, laneBackendFactory, type LaneBackend } from './lane-backend.js';
import type { LaneJobData } from './lane-job.js';

/** What all lanes of a process share. */
export interface LaneContext {
  readonly redis: Redis;
  readonly connection: RedisConnection;
  readonly prefix: string;
  readonly jobLockMs: number;
  readonly handle: DispatcherOptions['handle'];
  readonly locks: JobLocks;
  readonly logger: Logger;
  readonly random: () => number;
  /** `stalled`: jobs whose worker was lost and that wait again. */
  readonly counts: { stalled: number };
}

/** What is a lane's own. */
export interface LaneParts {
  readonly name: string;
  readonly customerId: string;
  readonly supplier: SlotSupplier;
  readonly delayed: DelayedTally;
}

/** Why a job was aborted or not started: this process is stopping. */
export const stopping = new DOMException('The worker stops', 'AbortError');

/**
 * One open lane: a BullMQ Worker on the shared connection. It stays a stock Worker, only that its locks and stalled jobs are
 * looked after for all lanes together, and that its slot supplier alone decides how many jobs run at once.
 */
export class Lane {
  readonly name: string;
  /** When its limits were last read. */
  limitsAtMs = Date.now();
  inFlight = 0;
  readonly #context: LaneContext;
  readonly #parts: LaneParts;
  readonly #worker: Worker<LaneJobData, void>;
  readonly #backend: LaneBackend;
  readonly #running = new Set<(reason: unknown) => void>();
  readonly #queued = new Set<(reason: unknown) => void>();
  #lastEndMs = Date.now();
  #stalledCheck: Promise<void> | undefined;

  constructor(context: LaneContext, parts: LaneParts) {
    this.#context = context;
    this.#parts = parts;
    this.name = parts.name;
    const worker = new Worker<LaneJobData, void, string, LaneBackend>(
      parts.name,
      (job, token) => this.#run(job, token ?? ''),
      {
        connection: context.redis,
        prefix: context.prefix,
        lockDuration: context.jobLockMs,
        ...workerOptions,
      },
      laneBackendFactory(context.connection),
    );
    this.#worker = worker;
    this.#backend = worker.getBackend();
    this.#backend.supplier = parts.supplier;
    worker.on('error', (error) => this.#report(error));
  }

  /** Resolves when it has looked for its first job, or has closed. */
  get opened(): Promise<void> {
    return this.#backend.looked;
  }

  /** Whether it has been waiting for at least `idleMs` and will have nothing to do for `quietMs`. */
  isCold(nowMs: number, idleMs: number, quietMs: number): boolean {
    const untilMs = this.#backend.waitingUntilMs();
    if (this.inFlight > 0 || untilMs === null) return false;
    const idleSinceMs = Math.max(this.#lastEndMs, this.#backend.waitingSinceMs);
    return nowMs - idleSinceMs >= idleMs && untilMs - nowMs > quietMs;
  }

  announce(): void {
    this.#backend.announce();
  }

  noteDueAt(atMs: number): void {
    this.#backend.noteDueAt(atMs);
  }

  /** Moves jobs whose lock is gone back to where they wait. */
  checkStalled(): void {
    if (this.#worker.closing) return;
    this.#stalledCheck ??= this.#moveStalled().finally(() => {
      this.#stalledCheck = undefined;
    });
  }

  /** Fetches nothing more; resolves when the last job has ended. Jobs that wait for a slot go back where they waited. */
  async close(): Promise<void> {
    const closed = this.#worker.close();
    for (const abort of this.#queued) abort(stopping);
    await closed;
    this.#backend.noteLooked();
    this.#parts.supplier.close();
    // It writes the lane's meta hash, which must not happen after the lane's leftovers were removed.
    await this.#stalledCheck;
  }

  abortRunning(reason: unknown): void {
    for (const abort of this.#running) abort(reason);
  }

  async #run(job: Job<LaneJobData, void>, token: string): Promise<void> {
    const { locks, handle } = this.#context;
    const { customerId, supplier, delayed } = this.#parts;
    const jobId = job.id ?? '';
    const lock = locks.hold(this.#backend, jobId, token, job.processedOn ?? Date.now());
    const permit = this.#backend.takePermit(jobId);
    let verdict: JobVerdict | undefined;
    this.#running.add(lock.abort);
    this.inFlight++;
    try {
      const slot = supplier.waitForSlot(permit, lock.signal);
      if (slot) {
        this.#queued.add(lock.abort);
        await slot.finally(() => this.#queued.delete(lock.abort));
      }
      const { deliveryId, eventId, endpointId, generation } = job.data;
      const laneJob: DeliveryRef = { customerId, deliveryId, eventId, endpointId, generation };
      verdict = await handle(laneJob, lock.signal, () => supplier.waitForRateLimit(permit, lock.signal));
      // A retry that is far away may wait in Postgres alone: then this job is over.
      if (verdict.kind === 'retry' && delayed.takes(verdict.delayMs)) throw new RetryLater(verdict.delayMs);
    } catch (error) {
      throw this.#refusalOf(error, job, lock.signal);
    } finally {
      if (lock.signal.reason === lockLost) this.checkStalled();
      lock.release();
      // Before BullMQ ends the job, which fetches the next one: that depends on how this one went.
      supplier.release(permit, verdict?.healthSignal ?? nothingSent);
      this.#running.delete(lock.abort);
      this.inFlight--;
      this.#lastEndMs = Date.now();
    }
  }

  /**
   * What BullMQ gets: an error with a delay becomes one `moveToDelayed`, which also fetches the next job: the cheapest
   * native retry (`job.moveToDelayed` and DelayedError take two scripts).
   */
  #refusalOf(error: unknown, job: Job<LaneJobData, void>, signal: AbortSignal): Error {
    // Another worker's job now: DelayedError makes BullMQ leave it alone and fetch the next.
    if (signal.reason === lockLost) return new DelayedError('lock lost');
    if (error instanceof RetryLater) return error;
    if (signal.aborted) return new RetryLater(0);
    this.#context.logger.warn('job.handler_failed', {
      error,
      lane: this.name,
      delivery_id: encodeId('dlv', job.data.deliveryId),
      generation: job.data.generation,
    });
    return new RetryLater(1000 + this.#context.random() * 4000);
  }

  /** BullMQ's check marks the active jobs, and moves those which an earlier one marked and which have no lock. */
  async #moveStalled(): Promise<void> {
    try {
      let jobs = 0;
      for (let check = 0; check < 2; check++) {
        if (check > 0) await new Promise((resolve) => setTimeout(resolve, 5));
        jobs += (await this.#backend.moveStalledJobsToWait()).length;
      }
      if (jobs === 0) return;
      this.#context.counts.stalled += jobs;
      this.#context.logger.warn('job.taken_over', { jobs });
      this.announce();
    } catch (error) {
      this.#report(error);
    }
  }

  #report(error: unknown): void {
    const { logger } = this.#context;
    // BullMQ could not end a job whose lock or key is gone (codes −1, −2, −3, −6): another worker has it, or Redis lost it.
    const code = (error as { code?: unknown }).code;
    if (typeof code === 'number' && code < 0) logger.debug('job.lock_lost', { error, lane: this.name });
    else logger.warn('lane.error', { error, lane: this.name });
  }
}

const nothingSent = { kind: 'none', pauseMs: 0 } as const;

const workerOptions = {
  // How many run at once is the slot supplier's to decide.
  concurrency: Number.MAX_SAFE_INTEGER,
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
    backoffStrategy: (_made: number, _type?: string, error?: Error) =>
      error instanceof RetryLater ? error.delayMs : 1000,
  },
};
