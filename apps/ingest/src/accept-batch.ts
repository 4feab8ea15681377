import { batchBody, type BatchItemResource, problemCodes, validateValue } from '@posthorn/api-contract';
import { isDatabaseUnavailable } from '@posthorn/database';
import { encodeId, readTopLevelElements, readTopLevelMembers } from '@posthorn/domain';
import {
  AppError,
  type Caller,
  parseJson,
  readIdempotencyKey,
  readJsonText,
  sendResponse,
  unavailable,
} from '@posthorn/http';
import type { Request, Response } from 'express';
import { setImmediate as turnOfTheLoop } from 'node:timers/promises';

import type { IngestContext } from './ingest-context.js';
import type { BodyReservation } from './overload-guard.js';
import {
  databaseAway,
  internalRefusal,
  type Refusal,
  refusalOf,
  refusedCustomer,
  tooLarge,
  unfitData,
} from './refusal.js';
import { toEvent } from './to-event.js';

/**
 * `POST /v1/events/batch`: every event for itself, results in order. All go to the acceptor before any is committed, which groups them. A
 * batch of which every event is unavailable is unavailable itself: its producer sends it again as it is.
 */
export async function acceptBatch(
  context: IngestContext,
  caller: Caller,
  request: Request,
  response: Response,
  reservation: BodyReservation,
): Promise<void> {
  const idempotencyKey = readIdempotencyKey(request);
  const text = await readJsonText(request, { bytesMax: context.batchBytesMax, onBytes: reservation.add });
  const items = readItems(text);
  // As a whole: half a batch is more work for its producer than none.
  const refusal = context.overload.refusal(items.length);
  if (refusal) throw refusal;
  const results = await acceptInSlices(items, (item, index) =>
    acceptItem(context, caller, item, itemKey(idempotencyKey, index)),
  );
  if (results.every(isUnavailable)) throw unavailable('No event could be committed; send the batch again.');
  sendResponse(response, { status: 202, body: { results } });
}

/** A thousand events take long to check: others have the event loop in between, whoever sends them. */
async function acceptInSlices(
  items: readonly Item[],
  accept: (item: Item, index: number) => Promise<BatchItemResource>,
): Promise<BatchItemResource[]> {
  const results: Promise<BatchItemResource>[] = [];
  let sinceMs = performance.now();
  for (const [index, item] of items.entries()) {
    const result = accept(item, index);
    // It is looked at below; until then a failure must not pass for one that nobody looks at.
    result.catch(() => undefined);
    results.push(result);
    if (performance.now() - sinceMs < SLICE_MS) continue;
    await turnOfTheLoop();
    sinceMs = performance.now();
  }
  return Promise.all(results);
}

const SLICE_MS = 5;

interface Item {
  value: unknown;
  source: string;
}

function readItems(text: string): Item[] {
  const batch = validateValue(batchBody, parseJson(text), { convert: false });
  if (!batch.ok)
    throw new AppError({
      code: 'invalid_request',
      detail: 'Some members of the batch are missing, unknown or not valid.',
      errors: batch.errors,
    });
  const sources = readTopLevelElements(readTopLevelMembers(text).get('events') ?? '[]');
  return batch.value.events.map((value, index) => ({ value, source: sources[index] ?? '' }));
}

/** A batch that is sent again under its key repeats place by place. No key of a single event holds a line break. */
function itemKey(idempotencyKey: string | null, index: number): string | null {
  return idempotencyKey === null ? null : `${idempotencyKey}\n${index}`;
}

async function acceptItem(
  { acceptor, schemas, logger, payloadBytesMax }: IngestContext,
  caller: Caller,
  { value, source }: Item,
  idempotencyKey: string | null,
): Promise<BatchItemResource> {
  const parsed = toEvent(value, () => readTopLevelMembers(source), idempotencyKey);
  if (!parsed.ok) {
    return {
      ...resultOf({
        code: 'invalid_request',
        detail: 'Some members of the event are missing, unknown or not valid.',
      }),
      errors: parsed.errors,
    };
  }
  const { event, data } = parsed.value;
  if (Buffer.byteLength(event.dataSource) > payloadBytesMax) return resultOf(tooLarge(payloadBytesMax));
  const refused = refusedCustomer(caller, event.customerId);
  if (refused) return resultOf(refused);
  try {
    const errors = await schemas.check(event.type, data);
    if (errors.length > 0) return { ...resultOf(unfitData(event.type)), errors };
    const outcome = await acceptor.accept(event);
    return outcome.kind === 'accepted'
      ? { status: 202, id: encodeId('evt', outcome.id) }
      : resultOf(refusalOf(outcome));
  } catch (error) {
    // The other events of the batch may be committed: their results must not be lost with this one's.
    if (isDatabaseUnavailable(error)) return resultOf(databaseAway);
    logger.error('event.accept_failed', { customer_id: event.customerId, error });
    return resultOf(internalRefusal);
  }
}

function resultOf({ code, detail }: Refusal) {
  return { status: problemCodes[code].status, code, detail };
}

function isUnavailable({ status }: BatchItemResource): boolean {
  return status === problemCodes.unavailable.status;
}
