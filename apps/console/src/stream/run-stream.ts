import type { ServerResponse } from 'node:http';
import type { ChangePosition } from '@posthorn/delivery/stream';
import { AppError } from '@posthorn/http';
import type { Logger } from '@posthorn/runtime';
import type { ChangeBroadcaster } from './change-broadcaster.js';
import type { StreamCursors } from './stream-cursor.js';
import { message } from './stream-messages.js';

/** A reader that has not taken this much when more comes is cut off. */
const UNREAD_BYTES_MAX = 256 * 1024;
const GAP = message('gap', {
  detail: 'Some messages are missing here; the lists of deliveries have all changes.',
});

export interface StreamRun {
  broadcaster: ChangeBroadcaster;
  customerId: string;
  /** Where it goes on; null: with what comes. */
  after: ChangePosition | null;
  cursors: StreamCursors;
  /** Throws when the caller may not any more. */
  mayGoOn(): Promise<void>;
  heartbeatMs: number;
  recheckMs: number;
  logger: Logger;
  /** Aborted: the stream ends. */
  stopping: AbortSignal;
}

/** Writes the stream until either side ends it. */
export function runStream(
  response: ServerResponse,
  { broadcaster, customerId, after, cursors, mayGoOn, heartbeatMs, recheckMs, logger, stopping }: StreamRun,
): void {
  // Whoever asks for the head only gets that.
  if (response.req.method === 'HEAD') {
    response.end();
    return;
  }
  let reached: ChangePosition | null = null;
  const end = () => response.end();
  const write = (text: string) => {
    if (response.writableEnded || response.destroyed) return;
    if (response.writableLength > UNREAD_BYTES_MAX) {
      logger.info('stream.cut_off', { customer_id: customerId, unread_bytes: response.writableLength });
      response.destroy();
      return;
    }
    response.write(text);
  };
  const idLine = () => (reached ? `id: ${cursors.write(reached)}\n` : '');

  const leave = broadcaster.subscribe({
    customerId,
    after,
    push(messages, position, gap) {
      const first = reached === null;
      reached = position;
      if (!first && messages === '' && !gap) return;
      // The id goes last, on its own: whoever is cut off in between gets all of it again.
      write(`${messages}${gap ? GAP : ''}${idLine()}\n`);
    },
    end,
  });
  const heartbeat = setInterval(() => write(`: heartbeat\n${idLine()}\n`), heartbeatMs);
  let rechecking = false;
  const recheck = setInterval(() => {
    if (rechecking) return;
    rechecking = true;
    mayGoOn()
      .catch((error: unknown) => {
        // While Postgres is away the stream continues, as requests with a known key do. Any other refusal ends it; that of
        // an unknown key may also read as a limit on its address.
        if (error instanceof AppError && error.code !== 'unavailable') end();
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
