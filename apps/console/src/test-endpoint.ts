import { setTimeout as sleep } from 'node:timers/promises';
import { idPrefixes, operations } from '@posthorn/api-contract';
import type { EndpointStore } from '@posthorn/database';
import type { Attempt, AttemptStore, DeliveryStore, EventStore } from '@posthorn/delivery/history';
import { encodeId, isFinished } from '@posthorn/domain';
import { AppError, mountOperation, notFound } from '@posthorn/http';
import { sendTest, type TestDeps } from '@posthorn/delivery/accept';
import type { RequestHandler, Router } from 'express';
import { attemptResource } from './attempt-resource.js';
import { findEndpoint } from './find-endpoint.js';

export interface TestEndpointDeps extends TestDeps {
  authentication: RequestHandler;
  endpoints: EndpointStore;
  events: EventStore;
  deliveries: DeliveryStore;
  attempts: AttemptStore;
  /** What an attempt may take. */
  timeoutMs: number;
  /** Aborted when the process is to end: whoever waits is answered. */
  stopping: AbortSignal;
}

/** On top of an attempt's own time, for its turn in the queue and for recording it. */
const GRACE_MS = 5_000;
const LOOK_FIRST_MS = 50;
const LOOK_MAX_MS = 400;
/** Requests that wait in this process; more are answered at once. */
const WAITING_MAX = 100;

export function mountTestEndpoint(router: Router, deps: TestEndpointDeps): void {
  const { authentication, endpoints, events } = deps;
  let waiting = 0;

  mountOperation(router, operations.testEndpoint, authentication, async ({ params, body, caller }) => {
    const endpoint = await findEndpoint(endpoints, caller, params.endpointId);
    const { customerId } = endpoint;
    const sent = await sendTest(deps, { customerId, endpointId: endpoint.id });
    if (!sent) throw notFound();
    const waitMs = body.waitSeconds === undefined ? deps.timeoutMs + GRACE_MS : body.waitSeconds * 1_000;
    const deliveryId = encodeId(idPrefixes.delivery, sent.deliveryId);
    waiting += 1;
    const attempt = await untilAttempted(deps, sent.deliveryId, waiting > WAITING_MAX ? 0 : waitMs).finally(
      () => (waiting -= 1),
    );
    if (!attempt) return { status: 202, body: { deliveryId, status: 'pending' as const }, customerId };
    const event = await events.get(sent.eventId);
    if (!event) throw notFound();
    return { status: 200, body: { deliveryId, ...(await attemptResource(attempt, event.body)) }, customerId };
  });
}

/** Undefined when the time is over before. Throws when there will be none, though it may have been on the wire. */
async function untilAttempted(
  { attempts, deliveries, stopping }: TestEndpointDeps,
  deliveryId: string,
  waitMs: number,
): Promise<Attempt | undefined> {
  const untilMs = performance.now() + waitMs;
  for (let lookMs = LOOK_FIRST_MS; ; lookMs = Math.min(lookMs * 1.5, LOOK_MAX_MS)) {
    const leftMs = untilMs - performance.now();
    if (leftMs <= 0 || stopping.aborted) return undefined;
    await sleep(Math.min(lookMs, leftMs), undefined, { signal: stopping }).catch(() => undefined);
    const delivery = await deliveries.get(deliveryId);
    if (!delivery) throw notFound();
    if (delivery.attempts > 0) return (await attempts.list({ deliveryId, limit: 1, before: null })).items[0];
    if (isFinished(delivery.status)) {
      throw new AppError({
        code: 'conflict',
        detail: `The test ended without a recorded attempt: ${delivery.reason ?? delivery.status}.`,
      });
    }
  }
}
