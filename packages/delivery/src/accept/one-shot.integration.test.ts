import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { createOneShotSecrets } from '@posthorn/database';
import { oneShotLanesMax, oneShotType, type DeliveryRef } from '@posthorn/domain';
import { createLogger } from '@posthorn/runtime';
import { startReceiver, type Receiver } from '@posthorn/testing';
import { Webhook } from 'standardwebhooks';

import type { OneShotStatus } from '../attempt/one-shot-status.sql.js';
import { createLedgerStore } from '../history/ledger-store.sql.js';
import { replayDelivery, replayEvent } from '../replay/replay-delivery.js';
import { createReplayRunner } from '../replay/replay-many.js';
import { createReplayStore } from '../replay/replay-store.sql.js';
import { openPipeline, type OpenPipeline } from '../test-support/open-pipeline.js';
import type { OneShotAcceptor } from './accept-one-shot.js';
import type { OneShotToAccept } from './event-to-accept.js';
import { createOneShotLaneCache } from './one-shot-lanes.js';

const DAY_MS = 86_400_000;
const reopening = {
  queue: { enqueue: () => Promise.resolve() },
  logger: createLogger({ level: 'error', role: 'test' }),
  holdLimitMs: 28 * DAY_MS,
};

let pipeline: OpenPipeline;
let acceptor: OneShotAcceptor;
let receiver: Receiver;
let customers = 0;
let customerId: string;

beforeAll(async () => {
  pipeline = await openPipeline();
  acceptor = pipeline.openOneShotAcceptor();
});
afterAll(async () => {
  await acceptor.close();
  await pipeline.close();
});
beforeEach(async () => {
  receiver = await startReceiver();
  customerId = `customer-${(customers += 1)}`;
  await pipeline.addCustomer(customerId);
});
afterEach(() => receiver.close());

const oneShot = (given: Partial<OneShotToAccept> = {}): OneShotToAccept => ({
  customerId,
  url: `${receiver.url}/callback`,
  payloadSource: '{"n":1.0}',
  headers: {},
  retryPolicy: null,
  idempotencyKey: null,
  ...given,
});

/** Its delivery's id. */
async function accept(given: Partial<OneShotToAccept> = {}): Promise<string> {
  const outcome = await acceptor.accept(oneShot(given));
  if (outcome.kind !== 'accepted') throw new Error(outcome.kind);
  return outcome.deliveryId;
}

const rowsOf = async (statement: string, ...values: unknown[]): Promise<Record<string, unknown>[]> =>
  (await pipeline.database.pool.query<Record<string, unknown>>(statement, values)).rows;

async function jobOf(deliveryId: string): Promise<DeliveryRef> {
  const [row] = await rowsOf(
    'SELECT event_id, endpoint_id, generation FROM delivery WHERE id = $1',
    deliveryId,
  );
  return {
    customerId,
    deliveryId,
    eventId: row!['event_id'] as string,
    endpointId: row!['endpoint_id'] as string,
    generation: row!['generation'] as number,
  };
}

/** Makes the next attempt, whenever it is due. */
async function attempt(deliveryId: string) {
  await rowsOf(
    "UPDATE delivery SET next_attempt_at = now() WHERE id = $1 AND status = 'pending'",
    deliveryId,
  );
  return pipeline.handle(await jobOf(deliveryId), new AbortController().signal);
}

async function status(deliveryId: string): Promise<OneShotStatus> {
  const found = await pipeline.oneShotStore.status(deliveryId);
  if (!found) throw new Error('It has no status');
  return found;
}

const lanes = () =>
  rowsOf(
    "SELECT id, url, shared, status FROM endpoint WHERE customer_id = $1 AND kind = 'one_shot'",
    customerId,
  );

describe('a one-shot', () => {
  it('reaches its URL with the bytes, headers and signature that it should have', async () => {
    const secrets = createOneShotSecrets({ ...pipeline.database, secretBox: pipeline.secretBox });
    const rotated = await secrets.rotate(customerId, { overlapSeconds: 0 });
    const secret = rotated.kind === 'rotated' ? rotated.secret : '';
    const payloadSource = '{ "b":12345678901234567890, "a":1.0,"é":"\\u00e9" }';
    const id = await accept({ payloadSource, headers: { Authorization: 'Bearer open-sesame' } });
    expect(pipeline.enqueued.at(-1)).toMatchObject({ deliveryId: id, customerId });
    await attempt(id);

    const [request] = receiver.requests;
    expect(request!.path).toBe('/callback');
    expect(request!.body.toString()).toBe(payloadSource);
    expect(request!.headers).toMatchObject({
      authorization: 'Bearer open-sesame',
      'content-type': 'application/json',
    });
    expect(request!.headers['webhook-id']).toMatch(/^dlv_/);
    const headers = request!.headers as Record<string, string>;
    expect(new Webhook(secret).verify(payloadSource, headers)).toMatchObject({ a: 1 });

    expect(await status(id)).toMatchObject({ status: 'delivered', attempts: 1, lastError: null });
    const [row] = await rowsOf('SELECT request_headers FROM attempt WHERE delivery_id = $1', id);
    expect(row!['request_headers']).toMatchObject({ Authorization: '***' });
    expect(
      JSON.stringify(await rowsOf("SELECT encode(headers_sealed, 'escape') FROM one_shot")),
    ).not.toContain('open-sesame');
  });

  it('is tried by its own policy, three times for {maxAttempts: 3}, and is a dead letter then', async () => {
    receiver.respondWith(() => ({ status: 503 }));
    const id = await accept({ retryPolicy: { maxAttempts: 3 } });
    const spans: number[] = [];
    for (let number = 1; number <= 3; number += 1) {
      const verdict = await attempt(id);
      expect(verdict).toMatchObject({
        kind: number < 3 ? 'retry' : 'done',
        healthSignal: { kind: 'failure' },
      });
      if (verdict.kind === 'retry') spans.push(Math.round(verdict.delayMs / 1000));
    }
    expect(spans).toEqual([5, 30]);
    expect(await status(id)).toMatchObject({
      status: 'dead_lettered',
      reason: 'attempts_exhausted',
      attempts: 3,
      nextAttemptAt: null,
      deliveredAt: null,
      lastError: { code: 'http_error', message: 'The endpoint answered 503.' },
    });
    expect(new Set(receiver.requests.map(({ headers }) => headers['webhook-id'])).size).toBe(1);
  });

  it('ends for a 410, which disables nothing: others go over the same lane', async () => {
    receiver.respondWith(() => ({ status: 410 }));
    const [gone, other] = [await accept(), await accept()];
    expect(await attempt(gone)).toMatchObject({ kind: 'done' });
    expect(await status(gone)).toMatchObject({ status: 'dead_lettered', reason: 'gone', attempts: 1 });
    expect(await lanes()).toMatchObject([{ status: 'enabled' }]);
    receiver.respondWith(() => ({ status: 204 }));
    await attempt(other);
    expect(await status(other)).toMatchObject({ status: 'delivered' });
  });

  it('counts in the ledger as one promise, kept', async () => {
    await attempt(await accept());
    await accept();
    const ledger = createLedgerStore(pipeline.database);
    expect(await ledger.read({ customerId })).toMatchObject({
      accepted: 2,
      delivered: 1,
      pending: 1,
      unmatchedEvents: 0,
    });
  });

  it('is replayed by its delivery, for as long as its own policy takes, and not to an endpoint', async () => {
    const days = { delaysSeconds: [5 * 86_400], maxAttempts: 3, jitter: 0 };
    receiver.respondWith(() => ({ status: 410 }));
    const id = await accept({ retryPolicy: days });
    await attempt(id);
    const deps = { ...reopening, pool: pipeline.database.pool };
    expect(await replayDelivery(deps, id)).toBe('opened');
    const [row] = await rowsOf(
      'SELECT event_id, expires_at - now() > $2 AS long FROM delivery WHERE id = $1',
      id,
      '12 days',
    );
    expect(row!['long']).toBe(true);
    receiver.respondWith(() => ({ status: 200 }));
    await attempt(id);
    expect(await status(id)).toMatchObject({ status: 'delivered', attempts: 2 });

    const { id: endpointId } = await pipeline.addEndpoint(customerId, { url: receiver.url });
    expect(await replayEvent(deps, row!['event_id'] as string, endpointId)).toBe('one_shot');
    const eventId = await pipeline.accept({ customerId });
    const [lane] = await lanes();
    expect(await replayEvent(deps, eventId, lane!['id'] as string)).toBe('not_found');
  });
});

describe('a bulk replay', () => {
  it('sends the dead letters of all lanes again, each for as long as its own policy takes', async () => {
    receiver.respondWith(() => ({ status: 410 }));
    const elsewhere = await startReceiver(() => ({ status: 410 }));
    const long = { delaysSeconds: [5 * 86_400], maxAttempts: 3, jitter: 0 };
    const ids = [
      await accept({ retryPolicy: long }),
      await accept({ retryPolicy: { maxAttempts: 1 } }),
      await accept({ url: elsewhere.url }),
    ];
    for (const id of ids) await attempt(id);
    const { database } = pipeline;
    const replays = createReplayStore({ ...database, holdLimitMs: 28 * DAY_MS });
    const filter = { endpointId: null, type: oneShotType, since: null, until: null };
    const made = await database.prisma.$transaction((tx) =>
      replays.create(tx, { ...filter, customerId, status: 'dead_lettered' }),
    );
    expect(made).toMatchObject({ kind: 'created', replay: { matched: 3 } });
    const runner = createReplayRunner({ ...reopening, pool: database.pool });
    await runner.run(new AbortController().signal);
    const rows = await rowsOf(
      `SELECT status, expires_at > now() + interval '12 days' AS long, expires_at > now() + interval '25 hours' AS middling
         FROM delivery WHERE customer_id = $1 ORDER BY id`,
      customerId,
    );
    expect(rows).toEqual([
      { status: 'pending', long: true, middling: true },
      { status: 'pending', long: false, middling: false },
      { status: 'pending', long: false, middling: true },
    ]);
    receiver.respondWith(() => ({ status: 200 }));
    elsewhere.respondWith(() => ({ status: 200 }));
    for (const id of ids) {
      await attempt(id);
      expect(await status(id)).toMatchObject({ status: 'delivered', attempts: 2 });
    }
    await elsewhere.close();
  });
});

describe('an Idempotency-Key', () => {
  it('makes one one-shot of many requests at once, and refuses another one', async () => {
    const given = oneShot({ idempotencyKey: 'k' });
    const outcomes = await Promise.all(Array.from({ length: 20 }, () => acceptor.accept(given)));
    const ids = new Set(outcomes.map((outcome) => (outcome.kind === 'accepted' ? outcome.deliveryId : '')));
    expect(ids.size).toBe(1);
    expect(outcomes.filter((outcome) => outcome.kind === 'accepted' && !outcome.replayed)).toHaveLength(1);
    expect(await rowsOf('SELECT FROM event WHERE customer_id = $1', customerId)).toHaveLength(1);
    for (const other of [
      { payloadSource: '{"n":1}' },
      { url: `${receiver.url}/` },
      { headers: { 'X-A': 'b' } },
      { retryPolicy: { maxAttempts: 1 } },
    ]) {
      expect(await acceptor.accept({ ...given, ...other })).toEqual({ kind: 'idempotency_conflict' });
    }
  });

  it('that an event has is no one-shot’s, and the other way round', async () => {
    await pipeline.accept({ customerId, idempotencyKey: 'event' });
    expect(await acceptor.accept(oneShot({ idempotencyKey: 'event' }))).toEqual({
      kind: 'idempotency_conflict',
    });
    await accept({ idempotencyKey: 'one-shot' });
    await expect(pipeline.accept({ customerId, idempotencyKey: 'one-shot' })).rejects.toThrow(
      'idempotency_conflict',
    );
  });
});

describe('the lanes of one-shots', () => {
  it('are one per origin, whoever asks first, and never more than their number', async () => {
    const origins = Array.from({ length: oneShotLanesMax + 40 }, (_, n) => `https://host-${n}.example`);
    const processes = [0, 1, 2, 3].map(() => createOneShotLaneCache(pipeline.oneShotStore, 1_000));
    const laneFor = (process: number, place: number) =>
      processes[process]!.get(customerId, `${origins[place]!}/a`);
    const places = origins.map((_, place) => place);
    // Each asks for a quarter of them at first: nobody makes what another makes, but the number is one for all.
    const first = await Promise.all(places.map((place) => laneFor(place % processes.length, place)));
    for (const process of processes.keys()) {
      expect(await Promise.all(places.map((place) => laneFor(process, place)))).toEqual(first);
    }

    const found = await lanes();
    expect(found).toHaveLength(oneShotLanesMax);
    // Those that came first are alone, but where one that came late was added.
    const late = origins.filter((origin) => !found.some(({ url }) => url === origin));
    expect(late).toHaveLength(40);
    expect(new Set(found.filter(({ shared }) => shared).map(({ id }) => id))).toEqual(
      new Set(late.map((origin) => first[origins.indexOf(origin)])),
    );
    for (const { id, url } of found) expect(first[origins.indexOf(url as string)]).toBe(id);
  });

  it('take one connection, however many new ones are asked for at once', async () => {
    let atOnce = 0;
    let atOnceMax = 0;
    let calls = 0;
    const cache = createOneShotLaneCache(
      {
        async ensureLanes(wanted) {
          calls += 1;
          atOnceMax = Math.max(atOnceMax, ++atOnce);
          return pipeline.oneShotStore.ensureLanes(wanted).finally(() => atOnce--);
        },
      },
      1_000,
    );
    const urls = Array.from({ length: 500 }, (_, n) => `https://burst-${n}.example/`);
    await Promise.all(urls.map((url) => cache.get(customerId, url)));
    expect([atOnceMax, calls]).toEqual([1, 1]);
    await Promise.all(urls.map((url) => cache.get(customerId, url)));
    expect(calls).toBe(1);
  });

  it('keep their breaker closed when they are shared: one origin says nothing about the others', async () => {
    receiver.respondWith(() => ({ status: 503, headers: { 'retry-after': '60' } }));
    const id = await accept();
    expect(await attempt(id)).toMatchObject({ healthSignal: { kind: 'failure', pauseMs: 60_000 } });
    await rowsOf('UPDATE endpoint SET shared = true WHERE customer_id = $1', customerId);
    const [lane] = await lanes();
    pipeline.endpoints.drop(lane!['id'] as string);
    expect(await attempt(id)).toMatchObject({ healthSignal: { kind: 'success', pauseMs: 0 } });
  });

  it('are no endpoints: nothing is fanned out to them, they are not listed and count for no limit', async () => {
    const version = async () =>
      (await rowsOf('SELECT endpoints_version FROM customer WHERE id = $1', customerId))[0]![
        'endpoints_version'
      ];
    const before = await version();
    const id = await accept();
    expect(await version()).toBe(before);
    const { endpointId } = await jobOf(id);
    expect(await pipeline.endpointStore.get(endpointId)).toBeNull();
    expect((await pipeline.endpointStore.list({ customerId, limit: 10, before: null })).items).toEqual([]);
    await rowsOf('UPDATE customer SET max_endpoints = 1 WHERE id = $1', customerId);
    await pipeline.addEndpoint(customerId, { url: receiver.url });
    const eventId = await pipeline.accept({ customerId, type: oneShotType });
    const fannedOut = await rowsOf('SELECT endpoint_id FROM delivery WHERE event_id = $1', eventId);
    expect(fannedOut).toHaveLength(1);
    expect(fannedOut[0]!['endpoint_id']).not.toBe(endpointId);
  });
});

describe('the customer of a one-shot', () => {
  it('that does not exist is refused', async () => {
    expect(await acceptor.accept(oneShot({ customerId: 'nobody' }))).toEqual({ kind: 'unknown_customer' });
  });

  it('that is erased leaves nothing behind; made again under its id, it has a lane again', async () => {
    const ids = [await accept({ headers: { 'X-A': 'b' } }), await accept()];
    await attempt(ids[0]!);
    const staying = `${customerId}-stays`;
    await pipeline.addCustomer(staying);
    await accept({ customerId: staying });
    const before = await rowsOf('SELECT FROM one_shot');
    expect(await pipeline.erase(customerId)).toMatchObject({
      receipt: { removed: { events: 2, oneShots: 2, deliveries: 2, attempts: 1, endpoints: 0 } },
    });
    expect(await rowsOf('SELECT FROM one_shot')).toHaveLength(before.length - 2);
    expect(await rowsOf('SELECT FROM one_shot_secret WHERE customer_id = $1', customerId)).toEqual([]);
    expect(await pipeline.oneShotStore.status(ids[0]!)).toBeNull();
    expect(await pipeline.openOneShotAcceptor().accept(oneShot())).toEqual({ kind: 'unknown_customer' });

    await pipeline.addCustomer(customerId);
    // Accepting still knows the lane of before, sending does not.
    const id = await accept();
    pipeline.endpoints.onGap();
    await attempt(id);
    expect(await status(id)).toMatchObject({ status: 'delivered' });
  });
});
