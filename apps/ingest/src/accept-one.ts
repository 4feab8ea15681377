import { idempotencyHeaders, type AcceptedEventResource } from '@posthorn/api-contract';
import { encodeId, readTopLevelMembers } from '@posthorn/domain';
import {
  AppError,
  type Caller,
  parseJson,
  readIdempotencyKey,
  readJsonText,
  sendResponse,
} from '@posthorn/http';
import type { Request, Response } from 'express';

import type { IngestContext } from './ingest-context.js';
import type { BodyReservation } from './overload-guard.js';
import { errorOf, refusalOf, refusedCustomer, unfitData } from './refusal.js';
import { toEvent } from './to-event.js';

/**
 * `POST /v1/events`: answered after the commit. From the moment it is handed to the acceptor the event counts, also when
 * its client goes away before the answer: the commit is shared, and a producer that heard nothing sends it again.
 */
export async function acceptOne(
  { acceptor, schemas, payloadBytesMax }: IngestContext,
  caller: Caller,
  request: Request,
  response: Response,
  reservation: BodyReservation,
): Promise<void> {
  const idempotencyKey = readIdempotencyKey(request);
  const text = await readJsonText(request, { bytesMax: payloadBytesMax, onBytes: reservation.add });
  const parsed = toEvent(parseJson(text), () => readTopLevelMembers(text), idempotencyKey);
  if (!parsed.ok) throw invalidEvent(parsed.errors);
  const { event, data } = parsed.value;
  const refused = refusedCustomer(caller, event.customerId);
  if (refused) throw errorOf(refused);
  const errors = await schemas.check(event.type, data);
  if (errors.length > 0) throw new AppError({ ...unfitData(event.type), errors });

  const outcome = await acceptor.accept(event);
  if (outcome.kind !== 'accepted') throw errorOf(refusalOf(outcome));
  const body: AcceptedEventResource = {
    id: encodeId('evt', outcome.id),
    customerId: outcome.customerId,
    type: outcome.type,
    timestamp: new Date(outcome.occurredAtMs).toISOString(),
    deliveries: outcome.deliveries,
  };
  if (outcome.replayed) response.setHeader(idempotencyHeaders.replayed, 'true');
  sendResponse(response, { status: 202, body });
}

function invalidEvent(errors: { path: string; message: string }[]): AppError {
  return new AppError({
    code: 'invalid_request',
    detail: 'Some members of the event are missing, unknown or not valid.',
    errors,
  });
}
