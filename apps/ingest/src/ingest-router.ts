import { batchBytesMax as defaultBatchBytesMax, type Operation, operations } from '@posthorn/api-contract';
import { AppError, type Caller, type Identities, permissionCheck } from '@posthorn/http';
import type { EventAcceptor } from '@posthorn/pipeline';
import type { Logger } from '@posthorn/runtime';
import { type Request, type Response, Router } from 'express';

import { acceptBatch } from './accept-batch.js';
import { acceptOne } from './accept-one.js';
import type { EventSchemas } from './event-schemas.js';
import type { HeldBody, OverloadGuard } from './overload-guard.js';

export interface IngestRouterDeps {
  acceptor: Pick<EventAcceptor, 'accept'>;
  identities: Identities;
  schemas: Pick<EventSchemas, 'check'>;
  overload: OverloadGuard;
  logger: Logger;
  /** Limit of a single request, and of the `data` of each event in a batch. Default 256 KiB. */
  payloadBytesMax?: number;
  /** Limit of a batch request. Default 5 MiB. */
  batchBytesMax?: number;
}

/** What the two handlers work with. */
export interface IngestContext {
  acceptor: Pick<EventAcceptor, 'accept'>;
  schemas: Pick<EventSchemas, 'check'>;
  overload: OverloadGuard;
  logger: Logger;
  payloadBytesMax: number;
  batchBytesMax: number;
}

type Handler = (
  context: IngestContext,
  caller: Caller,
  request: Request,
  response: Response,
  held: HeldBody,
) => Promise<void>;

/**
 * The data plane. Mount it first: it is the hot path, and everything in front of it is paid for by every event.
 * `refuseWhenOverloaded` belongs in front of it.
 */
export function createIngestRouter({
  acceptor,
  identities,
  schemas,
  overload,
  logger,
  payloadBytesMax = 256 * 1024,
  batchBytesMax = defaultBatchBytesMax,
}: IngestRouterDeps): Router {
  const router = Router({ caseSensitive: true });
  const context: IngestContext = { acceptor, schemas, overload, logger, payloadBytesMax, batchBytesMax };
  const mount = ({ path, operationId }: Pick<Operation, 'path' | 'operationId'>, handle: Handler): void => {
    const requirePermission = permissionCheck(operationId);
    router.post(path, async (request, response) => {
      const caller = await identities.identify(request);
      requirePermission(caller);
      refuseQuery(request);
      const held = overload.hold();
      try {
        await handle(context, caller, request, response, held);
      } finally {
        held.release();
      }
    });
  };
  mount(operations.createEvent, acceptOne);
  mount(operations.createEvents, acceptBatch);
  return router;
}

function refuseQuery(request: Request): void {
  if (!request.url.includes('?')) return;
  const errors = Object.keys(request.query).map((name) => ({
    path: name,
    message: `"${name}" is not allowed`,
  }));
  if (errors.length === 0) return;
  throw new AppError({ code: 'invalid_request', detail: 'This takes no query parameters.', errors });
}
