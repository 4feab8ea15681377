import { operations } from '@posthorn/api-contract';
import type { CustomerStore, Database } from '@posthorn/database';
import { readDeliveryChanges } from '@posthorn/delivery/stream';
import { AppError, mountOperation, requireCustomer } from '@posthorn/http';
import type { Logger, SecretBox } from '@posthorn/runtime';
import type { RequestHandler, Router } from 'express';
import { findCustomer } from '../customers.js';
import { createChangeBroadcaster } from './change-broadcaster.js';
import { runStream } from './run-stream.js';
import { createStreamCursors } from './stream-cursor.js';

export interface StreamSettings {
  /** Streams in this process, whosever they are. */
  streamsMax: number;
  /** Streams of one customer in this process. Default 20. */
  perCustomerMax?: number;
  /** Between two readings of what is new. Default 1 s. */
  everyMs?: number;
  /** Default 15 s. */
  heartbeatMs?: number;
  /** Between two looks at whether the caller still may. Default 5 s. */
  recheckMs?: number;
}

export interface StreamDeps {
  authentication: RequestHandler;
  pool: Database['pool'];
  customers: CustomerStore;
  secretBox: SecretBox;
  logger: Logger;
  /** Aborted when the process is to end: so do the streams. */
  stopping: AbortSignal;
  settings: StreamSettings;
}

export function mountStream(
  router: Router,
  { authentication, pool, customers, secretBox, logger, stopping, settings }: StreamDeps,
): void {
  const { everyMs = 1_000, heartbeatMs = 15_000, recheckMs = 5_000 } = settings;
  const broadcaster = createChangeBroadcaster({
    read: (queries) => readDeliveryChanges(pool, queries),
    logger,
    stopping,
    everyMs,
  });
  const places = createPlaces(settings);

  mountOperation(router, operations.streamDeliveries, authentication, async (request) => {
    const { id: customerId } = await findCustomer(customers, request.caller, request.params.customerId);
    const cursors = createStreamCursors(secretBox, customerId);
    const after = cursors.read(request.lastEventId);
    if (stopping.aborted) throw full('unavailable', 'The process is about to end.');
    return {
      status: 200,
      begin(response) {
        // Its reader went away meanwhile.
        if (response.destroyed) return;
        response.once('close', places.take(customerId));
        response.setHeader('Content-Type', 'text/event-stream; charset=utf-8');
        response.setHeader('X-Accel-Buffering', 'no');
        runStream(response, {
          broadcaster,
          customerId,
          after,
          cursors,
          // The broadcaster checks that the customer still exists.
          mayGoOn: async () => requireCustomer(await request.identifyAgain(), customerId),
          heartbeatMs,
          recheckMs,
          logger,
          stopping,
        });
      },
    };
  });
}

/** Bounds the streams that are open. `take` throws when there is none left, and returns what gives it back. */
function createPlaces({ streamsMax, perCustomerMax = 20 }: StreamSettings): {
  take(customerId: string): () => void;
} {
  const taken = new Map<string, number>();
  let all = 0;
  return {
    take(customerId) {
      const theirs = taken.get(customerId) ?? 0;
      if (theirs >= perCustomerMax)
        throw full(
          'rate_limited',
          `The customer has ${perCustomerMax} streams open here, which is the most.`,
        );
      if (all >= streamsMax) throw full('unavailable', 'As many streams are open here as are allowed.');
      taken.set(customerId, theirs + 1);
      all += 1;
      return () => {
        all -= 1;
        const left = (taken.get(customerId) ?? 0) - 1;
        if (left > 0) taken.set(customerId, left);
        else taken.delete(customerId);
      };
    },
  };
}

function full(code: 'rate_limited' | 'unavailable', detail: string): AppError {
  return new AppError({ code, detail, headers: { 'Retry-After': '10' } });
}
