import {
  type AcceptedWebhookResource,
  deliverWebhookBody,
  idempotencyHeaders,
  validateValue,
} from '@posthorn/api-contract';
import { encodeId, readTopLevelMembers } from '@posthorn/domain';
import {
  AppError,
  type Caller,
  parseJson,
  readIdempotencyKey,
  readJsonText,
  requireTarget,
  sendResponse,
} from '@posthorn/http';
import type { OneShotToAccept } from '@posthorn/delivery/accept';
import type { Request, Response } from 'express';

import type { IngestContext } from './ingest-context.js';
import type { BodyReservation } from './overload-guard.js';
import { errorOf, refusalOf, refusedCustomer } from './refusal.js';

/** `POST /v1/webhooks/deliver`: answered after the commit, as `acceptOne` is. */
export async function deliverWebhook(
  context: IngestContext,
  caller: Caller,
  request: Request,
  response: Response,
  reservation: BodyReservation,
): Promise<void> {
  const idempotencyKey = readIdempotencyKey(request);
  const text = await readJsonText(request, { bytesMax: context.payloadBytesMax, onBytes: reservation.add });
  const oneShot = toOneShot(text, caller, idempotencyKey);
  requireTarget(context.checkTargetUrl, oneShot.url, 'url', caller);

  const outcome = await context.oneShots.accept(oneShot);
  if (outcome.kind !== 'accepted') throw errorOf(refusalOf(outcome));
  const body: AcceptedWebhookResource = { id: encodeId('dlv', outcome.deliveryId), status: 'pending' };
  if (outcome.replayed) response.setHeader(idempotencyHeaders.replayed, 'true');
  sendResponse(response, { status: 202, body });
}

/** The payload is taken from the source text, as the data of an event is. */
function toOneShot(text: string, caller: Caller, idempotencyKey: string | null): OneShotToAccept {
  const parsed = validateValue(deliverWebhookBody, parseJson(text), { convert: false });
  if (!parsed.ok) throw invalid(parsed.errors);
  const { url, headers, retryPolicy, customerId = caller.customerId } = parsed.value;
  if (customerId === null) {
    const message = '"customerId" is required with an API key that is not restricted to one customer';
    throw invalid([{ path: 'customerId', message }]);
  }
  const refused = refusedCustomer(caller, customerId);
  if (refused) throw errorOf(refused);
  const payloadSource = readTopLevelMembers(text).get('payload');
  if (payloadSource === undefined) throw new Error('A validated one-shot has no payload in its source');
  return { customerId, url, payloadSource, headers, retryPolicy, idempotencyKey };
}

function invalid(errors: { path: string; message: string }[]): AppError {
  return new AppError({
    code: 'invalid_request',
    detail: 'Some members of the one-shot are missing, unknown or not valid.',
    errors,
  });
}
