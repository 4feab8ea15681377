import { type DatabasePool, isDatabaseUnavailable } from '@posthorn/database';
import {
  decideNextStep,
  encodeId,
  signalFromOutcome,
  type AttemptOutcome,
  type HealthSignal,
  type AttemptTrigger,
  type RecordedOutcome,
  type RetryPolicy,
  type DeliveryRef,
} from '@posthorn/domain';
import type { JobVerdict } from '@posthorn/queue';
import { createGroupCommit, type Clock, type Logger } from '@posthorn/runtime';
import type { Sender } from '@posthorn/sender';

import { createEndpointDisabler } from '../endpoint-health/disable-endpoint.js';
import { closeDeliveries, type DeliveryToClose } from '../settle/close-deliveries.sql.js';
import type { DeliverySettler, SettledStep } from '../settle/settle-delivery.js';
import { createOneShotTargetResolver } from './resolve-one-shot-target.js';
import { buildRequest } from './build-request.js';
import type { DeliveryTarget, EndpointCache, ReadyTarget } from './endpoint-cache.js';
import { loadDeliveries, type LoadedDelivery } from './load-deliveries.sql.js';
import type { OneShotStore } from './one-shot-store.sql.js';

/** A job may come this much before its delivery is due: BullMQ promotes by another clock than ours. */
const EARLY_TOLERANCE_MS = 500;

const NOT_RECORDED = 'The attempt could not be recorded';
const DONE: JobVerdict = { kind: 'done' };
/** For a lane that origins share: what one of them answers must not close the lane for the others. */
const STAY_OPEN: HealthSignal = { kind: 'success', pauseMs: 0 };
/** For a test that fails: people send tests while they mend an endpoint, so it says nothing about its health. */
const NO_SIGNAL: HealthSignal = { kind: 'none', pauseMs: 0 };
const ONCE: RetryPolicy = { delaysSeconds: [0], maxAttempts: 1, jitter: 0 };

export interface DeliveryAttempterDeps {
  pool: DatabasePool;
  clock: Clock;
  endpoints: EndpointCache;
  oneShots: Pick<OneShotStore, 'readForDelivery'>;
  sender: Pick<Sender, 'send'>;
  settler: DeliverySettler;
  logger: Logger;
  timeoutMs: number;
  endpointMaxInFlight: number;
  /** How long after its event a delivery may be held. */
  holdLimitMs: number;
  random?: () => number;
}

/** Makes the handler of a delivery's job: one attempt, or none where the delivery is no longer to be attempted. */
export function createDeliveryAttempter(
  deps: DeliveryAttempterDeps,
): (job: DeliveryRef, signal: AbortSignal, waitForRateLimit?: () => Promise<void>) => Promise<JobVerdict> {
  const {
    pool,
    clock,
    endpoints,
    oneShots,
    sender,
    settler,
    logger,
    timeoutMs,
    holdLimitMs,
    random = Math.random,
  } = deps;
  const disabler = createEndpointDisabler({ pool, endpoints, logger, holdLimitMs });
  const resolveOneShotTarget = createOneShotTargetResolver((eventIds) => oneShots.readForDelivery(eventIds));

  const load = createGroupCommit<DeliveryRef, LoadedDelivery | undefined>({
    commit: (jobs) => loadDeliveries(pool, jobs),
    isRetryableRowByRow: () => false,
  });
  const close = createGroupCommit<DeliveryToClose, boolean>({
    commit: async (rows) => {
      const closed = await closeDeliveries(pool, rows, holdLimitMs);
      return rows.map(({ id }) => closed.has(id));
    },
    isRetryableRowByRow: (error) => !isDatabaseUnavailable(error),
  });

  return async function attemptDelivery(job, signal, waitForRateLimit) {
    const [delivery, endpoint] = await Promise.all([load(job), endpoints.get(job.endpointId)]);
    if (delivery?.status !== 'pending' || delivery.generation !== job.generation) return DONE;
    // What can write to Redis can put a delivery into any lane; Postgres says which endpoint it is for.
    if (delivery.endpointId !== job.endpointId) return DONE;

    const closing = closeInstead(delivery, endpoint, clock.nowMs());
    if (closing) return closeDelivery(closing, job.endpointId);
    if (endpoint?.kind !== 'ready')
      throw new Error('The endpoint cannot be read', { cause: endpoint?.error });

    const earlyMs = (delivery.nextAttemptAtMs ?? 0) - clock.nowMs();
    if (earlyMs > EARLY_TOLERANCE_MS) return { kind: 'retry', delayMs: earlyMs };

    const target = endpoint.oneShots ? await resolveOneShotTarget(endpoint, delivery.eventId) : endpoint;
    await waitForRateLimit?.();
    const { headers, recordedHeaders } = buildRequest(delivery, target, clock.nowMs());
    const outcome = await send(delivery, target, headers, signal);
    // Aborted by this process, not the endpoint's fault: no attempt is spent, and the delivery is still due.
    if (outcome.status === 'aborted') return { kind: 'retry', delayMs: 0 };

    let step: SettledStep = decideNextStep({
      outcome,
      failedAttempts: delivery.attempts - delivery.attemptsBefore + 1,
      policy: delivery.test ? ONCE : target.retryPolicy,
      nowMs: clock.nowMs(),
      expiresAtMs: delivery.expiresAtMs,
      random,
    });
    // There is no endpoint to disable where others go over the same lane, and no test disables one.
    if (step.kind === 'disable_endpoint' && (target.oneShots || delivery.test))
      step = { kind: 'dead_letter', reason: 'gone' };
    // Before the attempt is settled: if this process dies in between, the next worker that attempts the delivery holds it.
    if (step.kind === 'disable_endpoint') {
      const { reason } = step;
      const disabled = await settler.untilDone(() => disabler.disable(target.id, reason), signal);
      if (disabled === undefined) throw new Error(NOT_RECORDED);
      if (!disabled) step = { kind: 'cancel', reason: 'endpoint_deleted' };
    }

    const settlement = await settler.settle(
      { delivery, trigger: triggerOf(delivery), outcome, recordedHeaders, step },
      signal,
    );
    logAttempt(delivery, outcome, step.kind);
    if (step.kind === 'disable_endpoint') await disabler.holdPending(target.id);
    if (settlement.kind === 'given_up') throw new Error(NOT_RECORDED);
    const observed = signalOf(delivery, target, outcome, clock.nowMs());
    const healthSignal: HealthSignal = settlement.overtaken ? { ...observed, kind: 'neutral' } : observed;
    if (settlement.nextAttemptAtMs === null) return { kind: 'done', healthSignal };
    const delayMs = Math.max(0, settlement.nextAttemptAtMs - clock.nowMs());
    return { kind: 'retry', delayMs, healthSignal };
  };

  async function closeDelivery(closing: DeliveryToClose, endpointId: string): Promise<JobVerdict> {
    const closed = await close(closing);
    if (closed) {
      logger.info(`delivery.${closing.status}` as const, {
        delivery_id: encodeId('dlv', closing.id),
        reason: closing.reason,
      });
    }
    if (closed || closing.status !== 'held') return DONE;
    // It changed meanwhile, or the endpoint is enabled again and only our cache does not know.
    endpoints.drop(endpointId);
    return { kind: 'retry', delayMs: 0 };
  }

  function send(
    delivery: LoadedDelivery,
    target: ReadyTarget,
    headers: Record<string, string>,
    signal: AbortSignal,
  ): Promise<AttemptOutcome> {
    return sender.send({
      poolKey: target.id,
      url: target.url,
      headers,
      body: delivery.body,
      timeoutMs,
      maxConnections: target.maxInFlight ?? deps.endpointMaxInFlight,
      signal,
    });
  }

  function logAttempt(delivery: LoadedDelivery, outcome: AttemptOutcome, step: string): void {
    const fields = () => ({
      delivery_id: encodeId('dlv', delivery.deliveryId),
      event_id: encodeId('evt', delivery.eventId),
      endpoint_id: encodeId('ep', delivery.endpointId),
      customer_id: delivery.customerId,
      number: delivery.attempts + 1,
      status: outcome.status,
      response_code: outcome.responseCode,
      error: outcome.error?.code,
      latency_ms: outcome.latencyMs,
      resent: outcome.resent || undefined,
    });
    if (step === 'dead_letter') logger.warn('delivery.dead_lettered', fields());
    else if (outcome.status === 'delivered') logger.debug('delivery.attempted', fields);
    else logger.info('delivery.attempted', fields());
  }
}

function triggerOf({ test, attempts, replayedAfter }: LoadedDelivery): AttemptTrigger {
  if (test) return 'test';
  return attempts === replayedAfter ? 'replay' : 'automatic';
}

function signalOf(
  { test }: LoadedDelivery,
  target: ReadyTarget,
  outcome: RecordedOutcome,
  nowMs: number,
): HealthSignal {
  if (target.oneShots?.shared) return STAY_OPEN;
  return test && outcome.status !== 'delivered' ? NO_SIGNAL : signalFromOutcome(outcome, nowMs);
}

/** Why a pending delivery gets no attempt now, if so: its endpoint takes none but tests, or its time is over. */
function closeInstead(
  { deliveryId: id, generation, expiresAtMs, test }: LoadedDelivery,
  target: DeliveryTarget | undefined,
  nowMs: number,
): DeliveryToClose | undefined {
  if (!target) return { id, generation, status: 'cancelled', reason: 'endpoint_deleted' };
  if (target.status !== 'enabled' && !test)
    return { id, generation, status: 'held', reason: `endpoint_${target.status}` };
  if (expiresAtMs <= nowMs) return { id, generation, status: 'dead_lettered', reason: 'expired' };
  return undefined;
}
