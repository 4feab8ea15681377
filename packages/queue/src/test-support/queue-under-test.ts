import { createUuidV7 } from '@posthorn/domain';
import type { Logger } from '@posthorn/runtime';
import { waitUntil } from '@posthorn/testing';
import { Redis } from 'ioredis';
import type { DeliveryJob } from '../delivery-job.js';
import type { Dispatcher, DispatcherOptions } from '../dispatcher-options.js';
import { createDispatcher } from '../dispatcher.js';
import { createQueueProducer } from '../queue-producer.js';

export interface LogLine {
  level: keyof Logger;
  event: string;
  fields: Record<string, unknown>;
}

export function recordingLogger(): Logger & { lines: LogLine[] } {
  const lines: LogLine[] = [];
  const at =
    (level: keyof Logger) =>
    (event: string, fields: object = {}) => {
      lines.push({ level, event, fields: fields as Record<string, unknown> });
    };
  return { lines, debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') };
}

export function newId(): string {
  return createUuidV7(Date.now());
}

export function deliveryJob(job: Partial<DeliveryJob> = {}): DeliveryJob {
  return {
    customerId: 'acme',
    endpointId: newId(),
    deliveryId: newId(),
    eventId: newId(),
    generation: 1,
    delayMs: 0,
    ...job,
  };
}

/** Short times, so that what takes tens of seconds in production is seen within one. */
export const quickly = {
  jobLockMs: 2000,
  stalledIntervalMs: 200,
  leaseMs: 1500,
  idleReleaseMs: 200,
  limitsRefreshMs: 200,
  balanceMs: 200,
} as const;

let workers = 0;

/** A producer, a plain connection, and as many dispatchers as a test asks for, on one prefix. */
export async function queueUnderTest({ url, prefix }: { url: string; prefix: string }) {
  const logger = recordingLogger();
  const redis = new Redis(url, { retryStrategy: () => 50 });
  redis.on('error', () => undefined);
  const producer = createQueueProducer({ redisUrl: url, prefix, logger, commandTimeoutMs: 30_000 });
  const dispatchers: Dispatcher[] = [];
  await waitUntil(() => producer.status() === 'ready');

  return {
    redis,
    producer,
    logger,
    missing: async (jobs: readonly DeliveryJob[]) => (await producer.jobStates(jobs)).missing,
    /** All but what live workers say of themselves. */
    keys: async () => (await redis.keys(`${prefix}*`)).filter((key) => key !== `${prefix}:index:loads`),
    async dispatch(
      options: Partial<DispatcherOptions> & Pick<DispatcherOptions, 'handle'>,
    ): Promise<Dispatcher> {
      workers += 1;
      const dispatcher = createDispatcher({
        redisUrl: url,
        prefix,
        workerId: `worker-${process.pid}-${workers}`,
        logger,
        laneLimits: () => Promise.resolve({ customerMaxInFlight: 20, endpointMaxInFlight: 10 }),
        ...quickly,
        ...options,
      });
      dispatchers.push(dispatcher);
      await dispatcher.start();
      return dispatcher;
    },
    async close() {
      await Promise.all(dispatchers.map((dispatcher) => dispatcher.stop({ deadlineMs: 0 })));
      await producer.close();
      redis.disconnect();
    },
  };
}

export type QueueUnderTest = Awaited<ReturnType<typeof queueUnderTest>>;

/** Resolves when told to, for handlers that a test holds back. */
export function gate() {
  let open!: () => void;
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { open, opened };
}
