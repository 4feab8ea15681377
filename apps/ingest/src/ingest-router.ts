import { batchBytesMax as defaultBatchBytesMax, type Operation, operations } from '@posthorn/api-contract';
import type { OneShotStore } from '@posthorn/delivery/attempt';
import {
  AppError,
  authenticate,
  type Caller,
  type CheckTargetUrl,
  type Identities,
  permissionCheck,
  type RequestLimits,
} from '@posthorn/http';
import type { EventAcceptor, OneShotAcceptor } from '@posthorn/delivery/accept';
import type { Logger } from '@posthorn/runtime';
import { type Request, type Response, Router } from 'express';

import { acceptBatch } from './accept-batch.js';
import { acceptOne } from './accept-one.js';
import { deliverWebhook } from './deliver-webhook.js';
import type { EventSchemas } from './event-schemas.js';
import type { BodyReservation, OverloadGuard } from './overload-guard.js';
import type { IngestContext } from './ingest-context.js';
import { mountWebhookStatus } from './webhook-status.js';

export interface IngestRouterDeps {
  acceptor: Pick<EventAcceptor, 'accept'>;
  identities: Identities;
  limits: RequestLimits;
  schemas: Pick<EventSchemas, 'check'>;
  oneShots: Pick<OneShotAcceptor, 'accept'> & Pick<OneShotStore, 'status'>;
  checkTargetUrl: CheckTargetUrl;
  overload: OverloadGuard;
  logger: Logger;
  /** Limit of a single request, and of the `data` of each event in a batch. Default 256 KiB. */
  payloadBytesMax?: number;
  /** Limit of a batch request. Default 5 MiB. */
  batchBytesMax?: number;
}

type Mounted = Pick<Operation, 'path' | 'aliases' | 'operationId'>;

type Handler = (
  context: IngestContext,
  caller: Caller,
  request: Request,
  response: Response,
  reservation: BodyReservation,
) => Promise<void>;

/**
 * The data plane. Mount it first: it is the hot path, and everything in front of it is paid for by every event.
 * `refuseWhenOverloaded` belongs in front of it.
 */
export function createIngestRouter({
  acceptor,
  identities,
  limits,
  schemas,
  oneShots,
  checkTargetUrl,
  overload,
  logger,
  payloadBytesMax = 256 * 1024,
  batchBytesMax = defaultBatchBytesMax,
}: IngestRouterDeps): Router {
  const router = Router({ caseSensitive: true });
  const context: IngestContext = {
    acceptor,
    schemas,
    oneShots,
    checkTargetUrl,
    overload,
    logger,
    payloadBytesMax,
    batchBytesMax,
  };
  const mount = ({ path, aliases = [], operationId }: Mounted, handle: Handler): void => {
    const requirePermission = permissionCheck(operationId);
    router.post([path, ...aliases], async (request, response) => {
      const caller = await identities.identify(request);
      const counted = limits.count(caller, 'ingest', response);
      if (counted) await counted;
      requirePermission(caller);
      refuseQuery(request);
      const reservation = overload.hold();
      try {
        await handle(context, caller, request, response, reservation);
      } finally {
        reservation.release();
      }
    });
  };
  mount(operations.createEvent, acceptOne);
  mount(operations.createEvents, acceptBatch);
  mount(operations.deliverWebhook, deliverWebhook);
  mountWebhookStatus(router, { authentication: authenticate({ identities, limits }), oneShots });
  return router;
}

function refuseQuery(request: Request): void {
  if (!request.url.includes('?')) return;
  const errors = Object.keys(request.query).map((name) => ({
    path: name,
    message: `"${name}" is not allowed; this operation takes no query parameters, everything is in its body`,
  }));
  if (errors.length === 0) return;
  throw new AppError({ code: 'invalid_request', detail: 'This operation has no query parameters.', errors });
}
