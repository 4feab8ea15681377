import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { HEALTHY } from '@posthorn/domain';
import type { JobVerdict } from '@posthorn/queue';
import { createLogger } from '@posthorn/runtime';
import { startReceiver, waitUntil, type Receiver } from '@posthorn/testing';
import { Webhook } from 'standardwebhooks';

import { deleteEndpoint } from '../cancel/delete-endpoint.sql.js';
import { saveEndpointHealth } from '../endpoint-health/endpoint-health.sql.js';
import { expireHeld } from '../hold/expire-deliveries.js';
import { holdLimitMs } from '../hold/hold-limit.js';
import { pauseEndpoint } from '../hold/pause-endpoint.js';
import { resumeEndpoint } from '../hold/resume-endpoint.js';
import { openPipeline, type OpenPipeline } from '../test-support/open-pipeline.js';

let pipeline: OpenPipeline;
let receiver: Receiver;
const signal = new AbortController().signal;
/** Runs once while a request is on the wire. */
let meanwhile: (() => Promise<unknown>) | undefined;

beforeAll(async () => {
  receiver = await startReceiver(async () => {
    const work = meanwhile;
    meanwhile = undefined;
    await work?.();
    return { status: 200, headers: { 'x-reply': 'yes' }, body: 'thanks' };
  });
  pipeline = await openPipeline();
  await pipeline.addCustomer('acme');
});
afterAll(async () => {
  await pipeline.close();
  await receiver.close();
});

const respond = (status: number, headers: Record<string, string> = {}) =>
  receiver.respondWith(async () => {
    const work = meanwhile;
    meanwhile = undefined;
    await work?.();
    return { status, headers, body: `answer ${status}` };
  });

async function open(settings: Parameters<OpenPipeline['addEndpoint']>[1] = { url: receiver.url }) {
  const endpoint = await pipeline.addEndpoint('acme', settings);
  const type = `only.${endpoint.id}`;
  await pipeline.endpointStore.patch(endpoint.id, (current) => ({ ...current, eventTypes: [type] }));
  const eventId = await pipeline.accept({ customerId: 'acme', type });
  return {
    endpoint,
    type,
    eventId,
    job: pipeline.jobOf(eventId, endpoint.id),
    handle: () => pipeline.handle(pipeline.jobOf(eventId, endpoint.id), signal),
    delivery: () => pipeline.delivery(eventId, endpoint.id),
    attempts: () => pipeline.attempts(eventId, endpoint.id),
    /** As if the time of the next attempt had come. */
    makeDue: () =>
      pipeline.database.pool.query('UPDATE delivery SET next_attempt_at = now() WHERE event_id = $1', [
        eventId,
      ]),
  };
}

describe('attempting a delivery', () => {
  it('delivers once, signed for the official verifier, and records the attempt in full', async () => {
    respond(200, { 'x-reply': 'yes' });
    const { endpoint, handle, delivery, attempts, eventId } = await open({
      url: `${receiver.url}/hook`,
      headers: { 'x-tenant': 'secret-value' },
    });
    expect(await handle()).toEqual({ kind: 'done', healthSignal: { kind: 'success', pauseMs: 0 } });

    const request = receiver.requests.at(-1)!;
    const headers = Object.fromEntries(
      Object.entries(request.headers).map(([name, value]) => [name, String(value)]),
    );
    expect(new Webhook(endpoint.secret).verify(request.body.toString(), headers)).toMatchObject({
      data: { n: 1 },
    });
    expect(headers).toMatchObject({ 'x-tenant': 'secret-value', 'content-type': 'application/json' });

    expect(await delivery()).toMatchObject({
      status: 'delivered',
      attempts: 1,
      last_response_code: 200,
      waiting_for: null,
    });
    const [attempt, ...more] = await attempts();
    expect(more).toEqual([]);
    expect(attempt).toMatchObject({
      number: 1,
      trigger: 'automatic',
      status: 'delivered',
      response_code: 200,
      error_code: null,
      address: '127.0.0.1',
      response_truncated: false,
      resent: false,
      next_attempt_at: null,
    });
    expect(attempt?.['request_headers']).toMatchObject({
      'x-tenant': '***',
      'webhook-id': headers['webhook-id'],
    });
    expect(attempt?.['response_headers']).toMatchObject({ 'x-reply': 'yes' });
    expect(String(attempt?.['response_body'])).toBe('answer 200');
    expect(JSON.stringify(attempt)).not.toContain('secret-value');
    const { rows } = await pipeline.database.pool.query<{ body: string }>(
      'SELECT body FROM event WHERE id = $1',
      [eventId],
    );
    expect(rows[0]?.body).toBe(request.body.toString());
    // Again, as a job that was delivered twice: nothing more is sent.
    const sent = receiver.requests.length;
    expect(await handle()).toEqual({ kind: 'done' });
    expect(receiver.requests).toHaveLength(sent);
  });

  it('sends nothing for a job that names another endpoint than its delivery, whoever put it there', async () => {
    respond(200);
    const { job, handle, delivery } = await open({ url: `${receiver.url}/own` });
    await pipeline.addCustomer('eve');
    const foreign = await pipeline.addEndpoint('eve', { url: `${receiver.url}/eve` });
    const forged = { ...job, customerId: 'eve', endpointId: foreign.id };
    expect(await pipeline.handle(forged, signal)).toEqual({ kind: 'done' });
    expect(receiver.requests.filter(({ path }) => path === '/eve')).toEqual([]);
    expect(await delivery()).toMatchObject({ status: 'pending', attempts: 0 });
    expect(await handle()).toMatchObject({ kind: 'done', healthSignal: { kind: 'success' } });
    expect(receiver.requests.at(-1)?.path).toBe('/own');
  });

  it('spends no attempt on a connection that the endpoint had closed, and records that it sent twice', async () => {
    respond(200);
    const { endpoint, type, handle } = await open({
      url: `${receiver.url}/stale`,
      retryPolicy: { delaysSeconds: [60], maxAttempts: 1, jitter: 0 },
    });
    await handle();
    const eventId = await pipeline.accept({ customerId: 'acme', type });
    let cut = false;
    receiver.respondWith(() => {
      if (cut) return { status: 200 };
      cut = true;
      return { fault: 'reset' };
    });
    // What the lane gives to its breaker and to the health of the endpoint.
    expect(await pipeline.handle(pipeline.jobOf(eventId, endpoint.id), signal)).toEqual({
      kind: 'done',
      healthSignal: { kind: 'success', pauseMs: 0 },
    });
    expect(await pipeline.delivery(eventId, endpoint.id)).toMatchObject({ status: 'delivered', attempts: 1 });
    expect(await pipeline.attempts(eventId, endpoint.id)).toMatchObject([
      { number: 1, status: 'delivered', resent: true, error_code: null },
    ]);
    const [first, second, ...more] = receiver.requests.filter(({ path }) => path === '/stale').slice(1);
    expect(more).toEqual([]);
    expect(second!.rawHeaders).toEqual(first!.rawHeaders);
    expect(second!.body).toEqual(first!.body);
    receiver.respondWith(() => ({ status: 200 }));
  });

  it('waits by the policy after a failure, and keeps the webhook-id across retries', async () => {
    const { handle, delivery, attempts, makeDue } = await open({
      url: receiver.url,
      retryPolicy: { delaysSeconds: [60], maxAttempts: 3, jitter: 0 },
    });
    respond(500);
    const verdict = await handle();
    expect(verdict.kind).toBe('retry');
    expect((verdict as { delayMs: number }).delayMs).toBeGreaterThan(55_000);
    expect((verdict as { delayMs: number }).delayMs).toBeLessThanOrEqual(60_000);
    expect(await delivery()).toMatchObject({
      status: 'pending',
      waiting_for: 'retry',
      attempts: 1,
      last_error: 'http_error',
      last_response_code: 500,
    });

    // A job that comes before its time is sent back to wait.
    const early = await handle();
    expect(early.kind).toBe('retry');
    expect(await attempts()).toHaveLength(1);

    await makeDue();
    respond(200);
    expect(await handle()).toEqual({ kind: 'done', healthSignal: { kind: 'success', pauseMs: 0 } });
    expect(await delivery()).toMatchObject({ status: 'delivered', attempts: 2, next_attempt_at: null });
    const [first, second] = receiver.requests.slice(-2);
    expect(second?.headers['webhook-id']).toBe(first?.headers['webhook-id']);
    expect((await attempts()).map(({ status, next_because }) => [status, next_because])).toEqual([
      ['failed', 'policy'],
      ['delivered', null],
    ]);
  });

  it('asks for its turn right before it sends, and sends nothing and spends no attempt when it does not come', async () => {
    respond(200);
    const { job, handle, attempts } = await open();
    const sent = receiver.requests.length;
    const notNow = new Error('not now');
    await expect(pipeline.handle(job, signal, () => Promise.reject(notNow))).rejects.toBe(notNow);
    expect(receiver.requests).toHaveLength(sent);
    expect(await attempts()).toEqual([]);

    let sentBefore = -1;
    let turns = 0;
    await pipeline.handle(job, signal, async () => {
      turns += 1;
      sentBefore = receiver.requests.length;
    });
    expect([turns, sentBefore]).toEqual([1, sent]);
    expect(receiver.requests).toHaveLength(sent + 1);
    // There is no turn to ask for when nothing is sent.
    await pipeline.handle(job, signal, () => Promise.reject(notNow));
    expect(await handle()).toEqual({ kind: 'done' });
  });

  it('is a dead letter after the last try', async () => {
    respond(503);
    const { handle, delivery, attempts, makeDue } = await open({
      url: receiver.url,
      retryPolicy: { delaysSeconds: [1], maxAttempts: 2 },
    });
    await handle();
    await makeDue();
    expect(await handle()).toEqual({ kind: 'done', healthSignal: { kind: 'failure', pauseMs: 0 } });
    expect(await delivery()).toMatchObject({
      status: 'dead_lettered',
      reason: 'attempts_exhausted',
      attempts: 2,
    });
    expect(await attempts()).toHaveLength(2);
  });

  it('waits longer where Retry-After says so, and never shorter', async () => {
    const { handle, attempts, makeDue } = await open({
      url: receiver.url,
      retryPolicy: { delaysSeconds: [100], maxAttempts: 5, jitter: 0 },
    });
    respond(429, { 'retry-after': '600' });
    expect(((await handle()) as { delayMs: number }).delayMs).toBeGreaterThan(590_000);
    await makeDue();
    respond(503, { 'retry-after': '1' });
    expect(((await handle()) as { delayMs: number }).delayMs).toBeGreaterThan(90_000);
    expect((await attempts()).map(({ next_because }) => next_because)).toEqual(['retry_after', 'policy']);
  });

  it('disables the endpoint on 410 and holds this and its other deliveries', async () => {
    const first = await open();
    const otherId = await pipeline.accept({ customerId: 'acme', type: first.type });
    respond(410);
    expect(await first.handle()).toEqual({ kind: 'done', healthSignal: { kind: 'neutral', pauseMs: 0 } });
    expect(await pipeline.endpointStore.get(first.endpoint.id)).toMatchObject({
      status: 'disabled',
      disabledReason: 'gone',
    });
    expect(await first.delivery()).toMatchObject({
      status: 'held',
      reason: 'endpoint_disabled',
      attempts: 1,
    });
    expect(await first.attempts()).toMatchObject([{ status: 'failed', response_code: 410 }]);
    expect(await pipeline.delivery(otherId, first.endpoint.id)).toMatchObject({
      status: 'held',
      attempts: 0,
    });
    // Nothing that comes later is lost either.
    const laterId = await pipeline.accept({ customerId: 'acme', type: first.type });
    expect(await pipeline.delivery(laterId, first.endpoint.id)).toMatchObject({ status: 'held' });
  });

  it('waits for Postgres to disable the endpoint, and does not send again what was answered 410', async () => {
    const { pool } = pipeline.database;
    const { endpoint, handle, delivery, attempts } = await open();
    respond(410);
    const before = receiver.requests.length;
    // Refused twice: a sequence remembers over the end of the transaction.
    await pool.query(`
      CREATE SEQUENCE refusals;
      CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        IF nextval('refusals') <= 2 THEN RAISE EXCEPTION 'starting up' USING ERRCODE = '57P03'; END IF;
        RETURN NEW;
      END $$;
      CREATE TRIGGER refuse BEFORE UPDATE ON endpoint FOR EACH ROW
        WHEN (NEW.status = 'disabled') EXECUTE FUNCTION refuse()`);
    try {
      expect(await handle()).toMatchObject({ kind: 'done' });
    } finally {
      await pool.query('DROP FUNCTION refuse CASCADE; DROP SEQUENCE refusals');
    }
    expect(await pipeline.endpointStore.get(endpoint.id)).toMatchObject({ status: 'disabled' });
    expect(await delivery()).toMatchObject({ status: 'held', attempts: 1 });
    expect(await attempts()).toMatchObject([{ response_code: 410 }]);
    expect(receiver.requests.length - before).toBe(1);
  });

  it('settles an attempt whose number was taken by one from before a pause', async () => {
    const { pool } = pipeline.database;
    const { endpoint, job, attempts, delivery } = await open();
    const deps = {
      pool,
      queue: { enqueue: () => Promise.resolve() },
      logger: createLogger({ level: 'error', role: 'test' }),
      holdLimitMs: holdLimitMs(30),
    };
    let second: Promise<JobVerdict> | undefined;
    let secondSent = false;
    receiver.respondWith(async () => {
      if (second) {
        secondSent = true;
        await waitUntil(async () => (await attempts()).length === 1);
      } else {
        await pauseEndpoint(deps, endpoint.id);
        await resumeEndpoint(deps, endpoint.id, { from: 'paused', held: 'release' });
        second = pipeline.handle({ ...job, generation: 2 }, signal);
        await waitUntil(() => secondSent);
      }
      return { status: 500 };
    });
    expect(await pipeline.handle(job, signal)).toMatchObject({ kind: 'done' });
    const verdict = await second!;
    expect(await attempts()).toMatchObject([
      { number: 1, status: 'failed', next_because: null },
      { number: 2, status: 'failed', next_because: 'policy' },
    ]);
    // As the policy says, and not at once.
    expect(verdict).toMatchObject({ kind: 'retry' });
    expect((verdict as { delayMs: number }).delayMs).toBeGreaterThan(0);
    expect(await delivery()).toMatchObject({ status: 'pending', generation: 2, attempts: 2 });
  });

  it('applies a changed URL, secret and policy to what is still waiting', async () => {
    respond(200);
    const { endpoint, handle, delivery } = await open({ url: `${receiver.url}/old` });
    await pipeline.endpointStore.patch(endpoint.id, (current) => ({
      ...current,
      url: `${receiver.url}/new`,
    }));
    const rotated = await pipeline.endpointStore.rotateSecret(endpoint.id, { overlapSeconds: 0 });
    if (rotated.kind !== 'rotated') throw new Error(rotated.kind);
    await handle();
    const request = receiver.requests.at(-1)!;
    expect(request.path).toBe('/new');
    const headers = Object.fromEntries(
      Object.entries(request.headers).map(([name, value]) => [name, String(value)]),
    );
    expect(() => new Webhook(rotated.secret).verify(request.body.toString(), headers)).not.toThrow();
    expect(() => new Webhook(endpoint.secret).verify(request.body.toString(), headers)).toThrow();
    expect(await delivery()).toMatchObject({ status: 'delivered' });
  });

  it.each([
    [
      'held while its endpoint is paused',
      "UPDATE endpoint SET status = 'paused' WHERE id = $1",
      'held',
      'endpoint_paused',
    ],
    [
      'held while its endpoint is disabled',
      "UPDATE endpoint SET status = 'disabled', disabled_reason = 'gone' WHERE id = $1",
      'held',
      'endpoint_disabled',
    ],
    [
      'cancelled when its endpoint is deleted',
      'UPDATE endpoint SET deleted_at = now() WHERE id = $1',
      'cancelled',
      'endpoint_deleted',
    ],
  ])('is %s, without an attempt', async (_, change, status, reason) => {
    const { endpoint, handle, delivery, attempts } = await open();
    await pipeline.database.pool.query(change, [endpoint.id]);
    const sent = receiver.requests.length;
    expect(await handle()).toEqual({ kind: 'done' });
    expect(await delivery()).toMatchObject({ status, reason, attempts: 0 });
    expect(await attempts()).toEqual([]);
    expect(receiver.requests).toHaveLength(sent);
  });

  it('cancels thousands of unfinished deliveries of an endpoint that is deleted, pending and held', async () => {
    const { endpoint, type } = await open();
    await Promise.all(Array.from({ length: 2_500 }, () => pipeline.accept({ customerId: 'acme', type })));
    await pipeline.database.pool.query(
      `UPDATE delivery SET status = 'held', reason = 'endpoint_paused', next_attempt_at = NULL
        WHERE endpoint_id = $1 AND id IN (SELECT id FROM delivery WHERE endpoint_id = $1 LIMIT 1200)`,
      [endpoint.id],
    );
    await deleteEndpoint(pipeline.database.pool, endpoint.id);
    const { rows } = await pipeline.database.pool.query(
      'SELECT status, count(*)::int AS n FROM delivery WHERE endpoint_id = $1 GROUP BY 1',
      [endpoint.id],
    );
    expect(rows).toEqual([{ status: 'cancelled', n: 2_501 }]);
  });

  it('cancels the unfinished delivery of an endpoint that is deleted', async () => {
    const { endpoint, delivery } = await open();
    expect(await deleteEndpoint(pipeline.database.pool, endpoint.id)).toBe(true);
    expect(await delivery()).toMatchObject({ status: 'cancelled', reason: 'endpoint_deleted' });
    expect(await deleteEndpoint(pipeline.database.pool, endpoint.id)).toBe(false);
  });

  it('is a dead letter without an attempt once it has expired', async () => {
    const { handle, delivery, eventId } = await open();
    await pipeline.database.pool.query(
      "UPDATE delivery SET expires_at = now() - interval '1 second' WHERE event_id = $1",
      [eventId],
    );
    await handle();
    expect(await delivery()).toMatchObject({ status: 'dead_lettered', reason: 'expired', attempts: 0 });
  });

  it.each([
    ['the time is over', -1_000, 0],
    ['there is no time for the next attempt', 5_000, 1],
  ])('says that the breaker, not the policy, used up the time when %s', async (_, leftMs, attempts) => {
    respond(500);
    const { endpoint, handle, delivery, eventId } = await open({
      url: receiver.url,
      retryPolicy: { delaysSeconds: [60], maxAttempts: 4 },
    });
    const { pool } = pipeline.database;
    await pool.query(
      "UPDATE delivery SET expires_at = now() + $2 * interval '1 millisecond' WHERE event_id = $1",
      [eventId, leftMs],
    );
    const openBreaker = { ...HEALTHY, openUntilMs: Date.now(), openings: 3 };
    await saveEndpointHealth(pool, [{ endpointId: endpoint.id, epoch: 0, health: openBreaker }]);
    await handle();
    expect(await delivery()).toMatchObject({
      status: 'dead_lettered',
      reason: 'expired_by_breaker',
      attempts,
    });
  });

  it('says that the pause which the endpoint asked for, not the policy, used up the time', async () => {
    respond(503, { 'retry-after': '7200' });
    const { handle, delivery } = await open({
      url: receiver.url,
      retryPolicy: { delaysSeconds: [60], maxAttempts: 4 },
    });
    await handle();
    expect(await delivery()).toMatchObject({
      status: 'dead_lettered',
      reason: 'expired_by_rate_limit',
      attempts: 1,
    });
  });

  it('drops a job of another generation', async () => {
    const { job, delivery } = await open();
    const sent = receiver.requests.length;
    expect(await pipeline.handle({ ...job, generation: 2 }, signal)).toEqual({ kind: 'done' });
    expect(receiver.requests).toHaveLength(sent);
    expect(await delivery()).toMatchObject({ status: 'pending', attempts: 0 });
  });

  it('counts a success although the endpoint was disabled while it was being sent', async () => {
    respond(200);
    const { endpoint, handle, delivery, attempts, eventId } = await open();
    meanwhile = async () => {
      await pipeline.database.pool.query(
        "UPDATE delivery SET status = 'held', reason = 'endpoint_paused', next_attempt_at = NULL WHERE event_id = $1",
        [eventId],
      );
    };
    await handle();
    expect(endpoint.id).toBeTruthy();
    expect(await delivery()).toMatchObject({ status: 'delivered', attempts: 1 });
    expect(await attempts()).toMatchObject([{ number: 1, status: 'delivered' }]);
  });

  it('leaves a cancelled delivery cancelled, but keeps the attempt that was on its way', async () => {
    respond(500);
    const { endpoint, handle, delivery, attempts } = await open();
    meanwhile = () => deleteEndpoint(pipeline.database.pool, endpoint.id);
    await handle();
    expect(await delivery()).toMatchObject({ status: 'cancelled', attempts: 1 });
    expect(await attempts()).toMatchObject([{ number: 1, status: 'failed', response_code: 500 }]);
  });

  it('records the loser of two sends of one attempt as overlapped, and lets a 2xx win', async () => {
    respond(500);
    const { handle, delivery, attempts } = await open();
    // While the first send is on the wire, a second worker makes the same attempt and it fails; then the first succeeds.
    receiver.respondWith(async () => {
      respond(500);
      await handle();
      return { status: 200 };
    });
    expect(await handle()).toEqual({ kind: 'done', healthSignal: { kind: 'neutral', pauseMs: 0 } });
    expect(await delivery()).toMatchObject({ status: 'delivered', attempts: 2, next_attempt_at: null });
    expect(
      (await attempts()).map(({ number, status, response_code }) => [number, status, response_code]),
    ).toEqual([
      [1, 'failed', 500],
      [2, 'overlapped', 200],
    ]);
  });

  it('waits for the next attempt that the winner decided, and spends no budget, when an overlapped send fails too', async () => {
    const { handle, delivery, attempts, makeDue } = await open({
      url: receiver.url,
      retryPolicy: { delaysSeconds: [60], maxAttempts: 2, jitter: 0 },
    });
    receiver.respondWith(async () => {
      respond(500);
      await handle();
      return { status: 502 };
    });
    const verdict = await handle();
    expect(verdict.kind).toBe('retry');
    expect((verdict as { delayMs: number }).delayMs).toBeGreaterThan(50_000);
    expect((await attempts()).map(({ status }) => status)).toEqual(['failed', 'overlapped']);
    expect(await delivery()).toMatchObject({ status: 'pending', attempts: 2, attempts_before: 1 });
    // One of two tries is spent: the next failure is the last, not the one before it.
    await makeDue();
    respond(500);
    expect(await handle()).toEqual({ kind: 'done', healthSignal: { kind: 'failure', pauseMs: 0 } });
    expect(await delivery()).toMatchObject({
      status: 'dead_lettered',
      reason: 'attempts_exhausted',
      attempts: 3,
    });
  });

  it('cancels instead of holding when the endpoint that answers 410 was deleted meanwhile', async () => {
    respond(410);
    const { endpoint, handle, delivery } = await open();
    meanwhile = () =>
      pipeline.database.pool.query('UPDATE endpoint SET deleted_at = now() WHERE id = $1', [endpoint.id]);
    await handle();
    expect(await delivery()).toMatchObject({ status: 'cancelled', reason: 'endpoint_deleted', attempts: 1 });
  });

  it('holds at most until two days before its partition is dropped, and is a dead letter after that', async () => {
    respond(410);
    const { handle, delivery, eventId } = await open();
    await handle();
    const { expires_at: expiresAt, created_at: createdAt } = (await delivery()) as {
      expires_at: Date;
      created_at: Date;
    };
    expect(Math.round((expiresAt.getTime() - createdAt.getTime()) / 86_400_000)).toBe(28);
    expect(await expireHeld(pipeline.database.pool)).toBe(0);
    await pipeline.database.pool.query('UPDATE delivery SET expires_at = now() WHERE event_id = $1', [
      eventId,
    ]);
    expect(await expireHeld(pipeline.database.pool)).toBe(1);
    expect(await delivery()).toMatchObject({ status: 'dead_lettered', reason: 'expired' });
  });

  it('spends no attempt when the send was aborted by its lost lock', async () => {
    const { job, delivery, attempts } = await open();
    const lost = new AbortController();
    receiver.respondWith(() => {
      lost.abort();
      return { fault: 'hang' };
    });
    expect(await pipeline.handle(job, lost.signal)).toEqual({ kind: 'retry', delayMs: 0 });
    expect(await delivery()).toMatchObject({ status: 'pending', attempts: 0 });
    expect(await attempts()).toEqual([]);
  });
});
