import { operationalEventBody, validateValue } from '@posthorn/api-contract';
import { settleAttempts } from '@posthorn/database';
import { deliveryIdOf, encodeId, type OperationalEventType } from '@posthorn/domain';
import { createLogger } from '@posthorn/runtime';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type pg from 'pg';

import { createEndpointDisabler } from './disable-endpoint.js';
import { disableFailing } from './disable-failing.js';
import { heldForMs } from './held-for.js';
import { createAttemptReading } from './read-attempts.js';
import { resumeEndpoint } from './resume-endpoint.js';
import { createNoticeTeller } from './tell-notices.js';
import { openPipeline, type OpenPipeline } from './test-support/open-pipeline.js';

const ALL = new AbortController().signal;
const HOUR_MS = 3_600_000;
const WARN_AFTER_MS = 2 * HOUR_MS;
const DISABLE_AFTER_MS = 6 * HOUR_MS;
/** So long ago an endpoint begins to fail, if it does. */
const BEGAN_MS = Date.now() - 10 * HOUR_MS;
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
async function pass(disableAfterMs: number | null = DISABLE_AFTER_MS): Promise<void> {
  const { clock } = pipeline.database;
  const reading = {
    pool,
    clock,
    retentionDays: 30,
    warnAfterMs: WARN_AFTER_MS,
    disableAfterMs,
    notWithinMs: 0,
  };
  await createAttemptReading(reading).run(ALL);
  const disabler = createEndpointDisabler({
    pool,
    endpoints: pipeline.endpoints,
    logger,
    heldForMs: heldForMs(30),
  });
  await disableFailing({ pool, disabler, disableAfterMs });
  await createNoticeTeller({ pool, acceptor: pipeline.acceptor, logger }).run(ALL);
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
const enable = () =>
  resumeEndpoint(
    { pool, queue: { enqueue: () => Promise.resolve() }, logger, heldForMs: heldForMs(30) },
    endpointId,
    { from: 'disabled', held: 'release' },
  );

describe('an endpoint all of whose attempts fail', () => {
  it('is told of, then disabled with what is pending held, and told of as recovered when it is enabled', async () => {
    await attempt(0);
    await attempt(1);
    await pass();
    expect(await types()).toEqual([]);
    expect(await endpoint()).toMatchObject({ status: 'enabled', failingSince: at(0) });

    await attempt(3);
    await pass();
    await attempt(4);
    await pass();
    expect(await told()).toEqual([
      {
        type: 'failing',
        data: {
          customerId,
          endpointId: encodeId('ep', endpointId),
          failingSince: at(0).toISOString(),
          lastAttemptAt: at(3).toISOString(),
          disabledAt: at(6).toISOString(),
        },
      },
    ]);

    await attempt(6.5);
    await Promise.all([pass(), pass(), pass()]);
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
    // It begins anew: one more failure is not enough.
    await attempt(9);
    await pass();
    expect(await endpoint()).toMatchObject({ status: 'enabled', failingSince: at(9) });
    expect(await types()).toHaveLength(3);
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

  it('stays enabled while nothing was sent to it for long, or one attempt in between was delivered', async () => {
    await attempt(0);
    await pass();
    await pool.query(
      "UPDATE endpoint_failing SET since = since - interval '20 days', last_at = last_at - interval '20 days'",
    );
    await pass();
    expect(await endpoint()).toMatchObject({ status: 'enabled' });
    expect(await types()).toEqual([]);
    await attempt(1, 'delivered');
    await attempt(2);
    await attempt(7.5);
    await pass();
    expect(await types()).toEqual(['failing']);
    expect(await endpoint()).toMatchObject({ status: 'enabled', failingSince: at(2) });
  });

  it('counts anew when its URL is changed, and is still told of as recovered', async () => {
    await attempt(0);
    await attempt(4);
    await pass();
    await pipeline.endpointStore.patch(endpointId, (current) => ({
      ...current,
      url: 'http://127.0.0.1:10/',
    }));
    expect(await endpoint()).toMatchObject({ failingSince: null });
    await attempt(6.5);
    await pass();
    expect(await endpoint()).toMatchObject({ status: 'enabled', failingSince: at(6.5) });
    await attempt(7, 'delivered');
    await pass();
    expect(await types()).toEqual(['failing', 'recovered']);
  });

  it('is not disabled where that is turned off, and the warning says so', async () => {
    await attempt(0);
    await attempt(8);
    await pass(null);
    await pass(null);
    expect(await endpoint()).toMatchObject({ status: 'enabled', failingSince: at(0) });
    expect(await told()).toMatchObject([{ type: 'failing', data: { disabledAt: null } }]);
  });

  it('is not disabled by what an overdue reader knows', async () => {
    await attempt(0);
    await attempt(8);
    await pass(null);
    await pool.query('UPDATE attempt_reader SET behind = true');
    const disabler = {
      disable: () => Promise.reject(new Error('Too early')),
      holdPending: () => Promise.resolve(),
    };
    await disableFailing({ pool, disabler, disableAfterMs: DISABLE_AFTER_MS });
    await pool.query("UPDATE attempt_reader SET behind = false, read_at = now() - interval '2 minutes'");
    await disableFailing({ pool, disabler, disableAfterMs: DISABLE_AFTER_MS });
    await pool.query('UPDATE attempt_reader SET read_at = now()');
    await expect(disableFailing({ pool, disabler, disableAfterMs: DISABLE_AFTER_MS })).rejects.toThrow(
      'Too early',
    );
  });

  it('is left alone if it is the operator’s own', async () => {
    const { id } = await pipeline.addEndpoint('posthorn', { url: 'http://127.0.0.1:9/' });
    await attempt(0, 'failed', id);
    await attempt(8, 'failed', id);
    await pass();
    expect(await endpoint(id)).toMatchObject({ status: 'enabled', failingSince: at(0) });
    expect((await pool.query('SELECT FROM notice')).rowCount).toBe(0);
  });
});
