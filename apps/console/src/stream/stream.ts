import { operations } from '@posthorn/api-contract';
import { type CustomerStore, type Database, type NewsPlace, readNews } from '@posthorn/database';
import { AppError, mountOperation } from '@posthorn/http';
import type { Logger } from '@posthorn/runtime';
import type { RequestHandler, Router } from 'express';
import type { ServerResponse } from 'node:http';
import { findCustomer } from '../customers.js';
import { createNewsDesk, type NewsDesk } from './news-desk.js';
import { readStreamCursor, writeStreamCursor } from './stream-cursor.js';
import { message, messagesOf } from './stream-messages.js';

export interface StreamSettings {
  /** Between two readings of what is new. Default 1 s. */
  everyMs?: number;
  /** Default 15 s. */
  heartbeatMs?: number;
  /** Between two looks at whether the caller still may. Default 5 s. */
  recheckMs?: number;
  /** Streams of one customer in this process. Default 20. */
  perCustomerMax?: number;
}

export interface StreamDeps {
  authentication: RequestHandler;
  pool: Database['pool'];
  customers: CustomerStore;
  logger: Logger;
  /** Aborted when the process is to end: so do the streams. */
  stopping: AbortSignal;
  settings?: StreamSettings;
}

/** Of this process, whosever they are. */
const STREAMS_MAX = 200;
/** A reader that has not taken this much when more comes is cut off. */
const UNREAD_BYTES_MAX = 256 * 1024;

export function mountStream(
  router: Router,
  { authentication, pool, customers, logger, stopping, settings = {} }: StreamDeps,
): void {
  const { everyMs = 1_000, heartbeatMs = 15_000, recheckMs = 5_000, perCustomerMax = 20 } = settings;
  const desk = createNewsDesk({ read: (questions) => readNews(pool, questions), logger, stopping, everyMs });
  const open = new Map<string, number>();
  const openOf = (customerId: string) => open.get(customerId) ?? 0;

  mountOperation(router, operations.streamDeliveries, authentication, async (request) => {
    const { id: customerId } = await findCustomer(customers, request.caller, request.params.customerId);
    const after = readStreamCursor(request.lastEventId);
    const all = [...open.values()].reduce((sum, n) => sum + n, 0);
    if (openOf(customerId) >= perCustomerMax || all >= STREAMS_MAX || stopping.aborted) throw tooMany();
    const mayGoOn = async () => {
      const caller = await request.identifyAgain();
      await findCustomer(customers, caller, customerId);
    };
    return {
      status: 200,
      headers: { 'Content-Type': 'text/event-stream; charset=utf-8', 'X-Accel-Buffering': 'no' },
      begin(response) {
        open.set(customerId, openOf(customerId) + 1);
        response.once('close', () => {
          if (openOf(customerId) > 1) open.set(customerId, openOf(customerId) - 1);
          else open.delete(customerId);
        });
        run(response, { desk, customerId, after, mayGoOn, heartbeatMs, recheckMs, logger, stopping });
      },
    };
  });
}

interface StreamRun {
  desk: NewsDesk;
  customerId: string;
  after: NewsPlace | null;
  /** Throws when the caller may not any more. */
  mayGoOn(): Promise<void>;
  heartbeatMs: number;
  recheckMs: number;
  logger: Logger;
  stopping: AbortSignal;
}

function run(
  response: ServerResponse,
  { desk, customerId, after, mayGoOn, heartbeatMs, recheckMs, logger, stopping }: StreamRun,
): void {
  let reached: NewsPlace | null = null;
  const end = () => response.end();
  const write = (text: string) => {
    if (response.writableEnded || response.destroyed) return;
    if (response.writableLength > UNREAD_BYTES_MAX) {
      logger.info('stream.cut_off', { customerId, unreadBytes: response.writableLength });
      response.destroy();
      return;
    }
    response.write(text);
  };
  const idLine = () => (reached ? `id: ${writeStreamCursor(reached)}\n` : '');

  const leave = desk.subscribe({
    customerId,
    after,
    tell(items, place, gap) {
      const first = reached === null;
      reached = place;
      if (!first && items.length === 0 && !gap) return;
      const left = gap
        ? message('gap', { detail: 'Some were left out here; the lists of deliveries have them.' })
        : '';
      // The id goes last, on its own: whoever is cut off in between gets all of it again.
      write(`${items.map(messagesOf).join('')}${left}${idLine()}\n`);
    },
  });
  const heartbeat = setInterval(() => write(`: heartbeat\n${idLine()}\n`), heartbeatMs);
  let rechecking = false;
  const recheck = setInterval(() => {
    if (rechecking) return;
    rechecking = true;
    mayGoOn()
      .catch((error: unknown) => {
        // While nobody can tell it goes on, as requests with a known key do.
        if (error instanceof AppError && error.status < 500) end();
      })
      .finally(() => (rechecking = false));
  }, recheckMs);

  stopping.addEventListener('abort', end, { once: true });
  response.once('close', () => {
    leave();
    clearInterval(heartbeat);
    clearInterval(recheck);
    stopping.removeEventListener('abort', end);
  });
  response.write('retry: 2000\n\n');
}

function tooMany(): AppError {
  return new AppError({
    code: 'rate_limited',
    detail: 'Too many streams are open.',
    headers: { 'Retry-After': '10' },
  });
}
