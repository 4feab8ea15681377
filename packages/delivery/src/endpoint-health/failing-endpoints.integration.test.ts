import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { operationalEventBody, validateValue } from '@posthorn/api-contract';
import { deliveryIdOf, encodeId, type OperationalEventType } from '@posthorn/domain';
import { createLogger } from '@posthorn/runtime';
import type pg from 'pg';

import { holdLimitMs } from '../hold/hold-limit.js';
import { pauseEndpoint } from '../hold/pause-endpoint.js';
import { resumeEndpoint } from '../hold/resume-endpoint.js';
import { createOperationalEventPublisher } from '../operational-events/publish-operational-events.js';
import { settleAttempts } from '../settle/settle-attempts.sql.js';
import { createStatisticsRollUp } from '../statistics/roll-up-statistics.js';
import { openPipeline, type OpenPipeline } from '../test-support/open-pipeline.js';
import { createEndpointDisabler } from './disable-endpoint.js';
import { disableFailing } from './disable-failing.js';
import type { FailingLimits } from './failing-endpoints.sql.js';

const ALL = new AbortController().signal;
const HOUR_MS = 3_600_000;
const WARN_AFTER_MS = 2 * HOUR_MS;
const DISABLE_AFTER_MS = 6 * HOUR_MS;
const LIMITS: FailingLimits = { warnAfterMs: WARN_AFTER_MS, disableAfterMs: DISABLE_AFTER_MS };
const NEVER_DISABLED: FailingLimits = { ...LIMITS, disableAfterMs: null };
/** So long ago an endpoint begins to fail, if it does. */
const BEGAN_MS = Date.now() - 20 * HOUR_MS;
const logger = createLogger({ level: 'silent', role: 'test' });

let pipeline: OpenPipeline;
let pool: pg.Pool;
let customerId: string;
let endpointId: string;
let customers = 0;

beforeAll(async () => {
  pipeline = await openPipeline();
  ({ pool } = pipeline.database);
});
afterAll(() => pipeline.close());
beforeEach(async () => {
  customerId = `customer-${(customers += 1)}`;
  await pipeline.addCustomer(customerId);
  ({ id: endpointId } = await pipeline.addEndpoint(customerId, { url: 'http://127.0.0.1:9/' }));
});

/** Records an attempt that started so many hours after the endpoint began to fail. */
async function attempt(
  hours: number,
  status: 'delivered' | 'failed' = 'failed',
  to = endpointId,
): Promise<void> {
  const { rows } = await pool.query<{ customerId: string }>(
    'SELECT customer_id AS "customerId" FROM endpoint WHERE id = $1',
    [to],
  );
  const eventId = await pipeline.accept({ customerId: rows[0]!.customerId });
  const startedAtMs = BEGAN_MS + hours * HOUR_MS;
  const ended = status === 'delivered';
  await settleAttempts(pool, [
    {
      deliveryId: deliveryIdOf(eventId, to),
      generation: 1,
      number: 1,
      dueAtMs: null,
      trigger: 'automatic',
      status,
      responseCode: ended ? 200 : 500,
      latencyMs: 10,
      errorCode: null,
      errorMessage: null,
      requestHeaders: '{}',
      responseHeaders: null,
      responseBody: null,
      responseTruncated: false,
      address: null,
      resent: false,
      startedAtMs,
      next: {
        status: ended ? 'delivered' : 'pending',
        reason: null,
        waitingFor: ended ? null : 'retry',
        nextAttemptAtMs: ended ? null : Date.now() + HOUR_MS,
        nextBecause: ended ? null : 'policy',
        finishedAtMs: ended ? startedAtMs : null,
        expiresAtMs: null,
      },
    },
  ]);
}

/** What a worker does, in any number of processes. */
async function pass(failingLimits: FailingLimits = LIMITS): Promise<void> {
  const { clock } = pipeline.database;
  await createStatisticsRollUp({ pool, clock, retentionDays: 30, failingLimits, notWithinMs: 0 }).run(ALL);
  await disable(pool, failingLimits);
  await createOperationalEventPublisher({ pool, acceptor: pipeline.acceptor, logger }).run(ALL);
}

async function disable(by: pg.Pool, failingLimits: FailingLimits): Promise<void> {
  const { endpoints } = pipeline;
  const disabler = createEndpointDisabler({ pool: by, endpoints, logger, holdLimitMs: holdLimitMs(30) });
  await disableFailing({ pool: by, endpoints, disabler, logger, failingLimits });
}

async function told(): Promise<{ type: string; data: Record<string, unknown> }[]> {
  const { rows } = await pool.query<{ body: string }>(
    "SELECT body FROM event WHERE customer_id = 'posthorn' ORDER BY id",
  );
  return rows
    .map(({ body }) => JSON.parse(body) as { type: OperationalEventType; data: Record<string, unknown> })
    .filter(({ data }) => data['customerId'] === customerId)
    .map((body) => {
      expect(validateValue(operationalEventBody(body.type), body, { convert: false }).ok).toBe(true);
      return { type: body.type.replace('posthorn.endpoint.', ''), data: body.data };
    });
}

const types = async () => (await told()).map(({ type }) => type);
const at = (hours: number) => new Date(BEGAN_MS + hours * HOUR_MS);
const endpoint = async (id = endpointId) => (await pipeline.endpointStore.get(id))!;
const resume = (from: 'disabled' | 'paused') =>
  resumeEndpoint(
    { pool, queue: { enqueue: () => Promise.resolve() }, logger, holdLimitMs: holdLimitMs(30) },
    endpointId,
    { from, held: 'release' },
  );
const enable = () => resume('disabled');

describe('an endpoint all of whose attempts fail', () => {
  it('is told of, then disabled with what is pending held, and told of as recovered when it is enabled', async () => {
    await attempt(0);
    await attempt(1);
    await pass();
    expect(await types()).toEqual([]);
    expect(await endpoint()).toMatchObject({ status: 'enabled', failingSince: at(0) });

    await attempt(3);
    await pass();
    await attempt(6.5);
    await pass();
    expect(await told()).toEqual([
      {
        type: 'failing',
        data: {
          customerId,
          endpointId: encodeId('ep', endpointId),
          failingSince: at(0).toISOString(),
          lastAttemptAt: at(3).toISOString(),
          disabledAt: at(7).toISOString(),
        },
      },
    ]);
    expect(await endpoint()).toMatchObject({ status: 'enabled' });

    await attempt(7);
    await pass();
    await pass();
    expect(await types()).toEqual(['failing', 'disabled']);
    expect((await told())[1]!.data).toMatchObject({ reason: 'failing' });
    expect(await endpoint()).toMatchObject({
      status: 'disabled',
      disabledReason: 'failing',
      failingSince: at(0),
    });
    const { rows } = await pool.query(
      'SELECT status, reason, count(*)::int AS n FROM delivery WHERE endpoint_id = $1 GROUP BY 1, 2',
      [endpointId],
    );
    expect(rows).toEqual([{ status: 'held', reason: 'endpoint_disabled', n: 5 }]);

    await enable();
    await pass();
    expect((await told())[2]).toMatchObject({ type: 'recovered', data: { because: 'enabled' } });
    // It begins anew: more failures are not enough, but for a warning.
    await attempt(9);
    await pass();
    expect(await endpoint()).toMatchObject({ status: 'enabled', failingSince: at(9) });
    expect(await types()).toHaveLength(3);
    await attempt(16);
    await pass();
    expect(await endpoint()).toMatchObject({ status: 'enabled', failingSince: at(9) });
    expect(await types()).toEqual(['failing', 'disabled', 'recovered', 'failing']);
  });

  it('is told of as recovered when an attempt is delivered, and only if it was told of', async () => {
    await attempt(0);
    await attempt(1);
    await attempt(1.5, 'delivered');
    await pass();
    expect(await endpoint()).toMatchObject({ failingSince: null });
    await attempt(2);
    await attempt(5);
    await pass();
    await attempt(5.5, 'delivered');
    await attempt(5.6, 'delivered');
    await pass();
    await attempt(5.7, 'delivered');
    await pass();
    expect(await types()).toEqual(['failing', 'recovered']);
    expect((await told())[1]!.data).toEqual({
      customerId,
      endpointId: encodeId('ep', endpointId),
      because: 'delivered',
    });
    expect(await endpoint()).toMatchObject({ failingSince: null });
  });

  it('has the time between warning and disabling from the warning on, however rare its attempts are', async () => {
    await attempt(0);
    await attempt(8);
    await pass();
    await pass();
    expect(await endpoint()).toMatchObject({ status: 'enabled', failingSince: at(0) });
    expect(await told()).toMatchObject([
      { type: 'failing', data: { lastAttemptAt: at(8).toISOString(), disabledAt: at(12).toISOString() } },
    ]);
    await attempt(11.9);
    await pass();
    expect(await endpoint()).toMatchObject({ status: 'enabled' });
    await attempt(12);
    await pass();
    expect(await endpoint()).toMatchObject({ status: 'disabled', disabledReason: 'failing' });
    expect(await types()).toEqual(['failing', 'disabled']);
  });

  it('stays enabled while nothing was sent to it for long, or one attempt in between was delivered', async () => {
    await attempt(0);
    await attempt(2);
    await pass();
    await pool.query(
      `UPDATE endpoint_failing SET since = since - interval '20 days', last_at = last_at - interval '20 days',
              warned_at = warned_at - interval '20 days'`,
    );
    await pass();
    expect(await endpoint()).toMatchObject({ status: 'enabled' });
    await attempt(3, 'delivered');
    await attempt(4);
    await attempt(7);
    await pass();
    expect(await types()).toEqual(['failing', 'recovered', 'failing']);
    expect(await endpoint()).toMatchObject({ status: 'enabled', failingSince: at(4) });
  });

  it('counts anew when its URL is changed or it was paused, and is still told of as recovered', async () => {
    await attempt(0);
    await attempt(4);
    await pass();
    await pipeline.endpointStore.patch(endpointId, (current) => ({
      ...current,
      url: 'http://127.0.0.1:10/',
    }));
    expect(await endpoint()).toMatchObject({ failingSince: null });
    await attempt(8);
    await pass();
    expect(await endpoint()).toMatchObject({ status: 'enabled', failingSince: at(8) });
    await pauseEndpoint({ pool, logger, holdLimitMs: holdLimitMs(30) }, endpointId);
    await resume('paused');
    await attempt(15);
    await pass();
    expect(await endpoint()).toMatchObject({ status: 'enabled', failingSince: at(15) });
    expect(await types()).toEqual(['failing']);
    // Told again: the owner is to know of the new day.
    await attempt(17);
    await pass();
    expect((await told()).at(-1)!.data).toMatchObject({ disabledAt: at(21).toISOString() });
    await attempt(18, 'delivered');
    await pass();
    expect(await types()).toEqual(['failing', 'failing', 'recovered']);
  });

  it('is not disabled where that is turned off, and the warning says so', async () => {
    await attempt(0);
    await attempt(3);
    await pass(NEVER_DISABLED);
    await attempt(19);
    await pass(NEVER_DISABLED);
    expect(await endpoint()).toMatchObject({ status: 'enabled', failingSince: at(0) });
    expect(await told()).toMatchObject([{ type: 'failing', data: { disabledAt: null } }]);
  });

  it('is disabled without a warning where that is turned off', async () => {
    const unwarned: FailingLimits = { ...LIMITS, warnAfterMs: null };
    await attempt(0);
    await attempt(5.9);
    await pass(unwarned);
    expect(await endpoint()).toMatchObject({ status: 'enabled' });
    await attempt(6);
    await pass(unwarned);
    expect(await endpoint()).toMatchObject({ status: 'disabled', disabledReason: 'failing' });
    expect(await types()).toEqual(['disabled']);
  });

  it('is not disabled by what an overdue reader knows', async () => {
    await attempt(0);
    await attempt(3);
    await pass(NEVER_DISABLED);
    await attempt(8);
    await pass(NEVER_DISABLED);
    await pool.query('UPDATE attempt_reader SET behind = true');
    await disable(pool, LIMITS);
    await pool.query("UPDATE attempt_reader SET behind = false, read_at = now() - interval '2 minutes'");
    await disable(pool, LIMITS);
    expect(await endpoint()).toMatchObject({ status: 'enabled' });
    await pool.query('UPDATE attempt_reader SET read_at = now()');
    await disable(pool, LIMITS);
    expect(await endpoint()).toMatchObject({ status: 'disabled' });
  });

  it('is disabled, and told of, by one of several processes', async () => {
    const others = Array.from({ length: 3 }, () =>
      pipeline.addEndpoint(customerId, { url: 'http://127.0.0.1:9/' }),
    );
    const ids = [endpointId, ...(await Promise.all(others)).map(({ id }) => id)];
    for (const hours of [0, 3, 8]) {
      for (const id of ids) await attempt(hours, 'failed', id);
      await pass(NEVER_DISABLED);
    }
    const processes = Array.from({ length: 4 }, (_, index) => pipeline.openAnother(`pass-${index}`, 2));
    await Promise.all(processes.map((by) => disable(by.pool, LIMITS)));
    await Promise.all(processes.map((by) => by.close()));
    await pass();
    const disabled = (await told()).filter(({ type }) => type === 'disabled');
    expect(disabled.map(({ data }) => data['endpointId']).toSorted()).toEqual(
      ids.map((id) => encodeId('ep', id)).toSorted(),
    );
  });

  it('is left alone if it is the operator’s own', async () => {
    const { id } = await pipeline.addEndpoint('posthorn', { url: 'http://127.0.0.1:9/' });
    await attempt(0, 'failed', id);
    await attempt(3, 'failed', id);
    await pass();
    await attempt(8, 'failed', id);
    await pass();
    expect(await endpoint(id)).toMatchObject({ status: 'enabled', failingSince: at(0) });
    expect((await pool.query('SELECT FROM notice')).rowCount).toBe(0);
  });
});
