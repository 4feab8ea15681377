import { createBullBoard } from '@bull-board/api';
import { BullMQAdapter } from '@bull-board/api/bullMQAdapter';
import { ExpressAdapter } from '@bull-board/express';
import { AppError, unavailable } from '@posthorn/http';
import type { LiveLanes } from '@posthorn/queue';
import { type RequestHandler, Router } from 'express';

export interface QueueBoardDeps {
  /** Lets only operators pass. */
  authentication: RequestHandler;
  /** Opens the connection that the board reads by; called with the first visit. */
  openLanes: () => LiveLanes;
}

export interface QueueBoard {
  router: Router;
  close(): void;
}

const PATH = '/queues';
/** However many pages are open, Redis is asked for the live lanes this often at most. */
const REFRESH_MS = 2_000;

/**
 * Bull Board at `/queues`, for looking only: the lanes that hold something now, a bounded number of them, grouped by
 * customer. Jobs hold ids and no payloads.
 */
export function createQueueBoard({ authentication, openLanes }: QueueBoardDeps): QueueBoard {
  const adapter = new ExpressAdapter().setBasePath(PATH);
  const board = createBullBoard({
    queues: [],
    serverAdapter: adapter,
    options: {
      uiConfig: {
        boardTitle: 'Posthorn queues',
        hideDocsLink: true,
        overview: { groupByDelimiter: true },
        // Workers share connections, so a list of clients says nothing about lanes.
        showWorkers: false,
      },
    },
  });
  let lanes: LiveLanes | undefined;
  let refresh: Promise<void> | undefined;
  let refreshedAtMs = -Infinity;

  /** One at a time; the visitors that come meanwhile wait for the same. */
  function refreshed(): Promise<void> {
    if (Date.now() - refreshedAtMs < REFRESH_MS) return Promise.resolve();
    refresh ??= showLive().finally(() => {
      refresh = undefined;
    });
    return refresh;
  }

  async function showLive(): Promise<void> {
    lanes ??= openLanes();
    const { queues } = await lanes.queues();
    board.replaceQueues(
      queues.map((queue) => new BullMQAdapter(queue, { readOnlyMode: true, delimiter: '/' })),
    );
    refreshedAtMs = Date.now();
  }

  const router = Router({ caseSensitive: true });
  router.use(PATH, authentication, async (request, response, next) => {
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      throw new AppError({
        code: 'method_not_allowed',
        detail: 'This page is read-only.',
        headers: { Allow: 'GET, HEAD' },
      });
    }
    response.setHeader('Content-Security-Policy', contentSecurityPolicy);
    if (request.path.startsWith('/api/')) {
      response.setHeader('Cache-Control', 'no-store');
      await refreshed().catch((error: unknown) => {
        throw unavailable('The queues cannot be read now.', error);
      });
    }
    next();
  });
  router.use(PATH, adapter.getRouter() as RequestHandler);
  return { router, close: () => lanes?.close() };
}

const contentSecurityPolicy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self' 'unsafe-inline'",
  "img-src 'self' data:",
  "font-src 'self'",
  "connect-src 'self'",
  "base-uri 'self'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');
