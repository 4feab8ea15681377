import { describe, expect, it } from '@jest/globals';
import request from 'supertest';

import { accepted, eventId, keys, testIngest } from './test-support/test-ingest.js';

const event = { customerId: 'acme', type: 'invoice.paid', data: 1 };

const post = (app: Parameters<typeof request>[0], key = keys.writer) =>
  request(app).post('/v1/events/batch').set('Authorization', `Bearer ${key}`);

describe('POST /v1/events/batch', () => {
  it('answers for every event in order, good and bad ones', async () => {
    const { app, events } = testIngest((given) => {
      switch (given.customerId) {
        case 'nobody':
          return { kind: 'unknown_customer' };
        case 'twice':
          return { kind: 'idempotency_conflict' };
        case 'busy':
          return { kind: 'unavailable', because: 'overload' };
        case 'bug':
          return new Error('inner');
        default:
          return accepted(given);
      }
    });
    const response = await post(app).send({
      events: [
        event,
        { ...event, type: 'no spaces', more: 1 },
        { ...event, customerId: 'nobody' },
        { ...event, customerId: 'twice' },
        { ...event, customerId: 'busy' },
        { ...event, customerId: 'bug' },
        { ...event, data: 'x'.repeat(262_144) },
        null,
        event,
      ],
    });
    expect(response.status).toBe(202);
    const { results } = response.body as { results: unknown[] };
    expect(results).toMatchObject([
      { status: 202, id: eventId },
      { status: 400, code: 'invalid_request', errors: [{ path: 'type' }, { path: 'more' }] },
      { status: 404, code: 'not_found' },
      { status: 409, code: 'idempotency_conflict' },
      { status: 503, code: 'unavailable' },
      { status: 500, code: 'internal_error' },
      { status: 413, code: 'payload_too_large' },
      { status: 400, code: 'invalid_request', errors: [{ path: '' }] },
      { status: 202, id: eventId },
    ]);
    expect(response.text).not.toContain('inner');
    expect(events.map(({ customerId }) => customerId)).toEqual([
      'acme',
      'nobody',
      'twice',
      'busy',
      'bug',
      'acme',
    ]);
  });

  it('keeps the bytes of every data, also between strange spaces and brackets in strings', async () => {
    const { app, events } = testIngest();
    const body =
      '{ "events" :\n[ {"customerId":"acme","type":"a","data":12345678901234567890} ,' +
      '{"data": "]},{\\"", "type":"b","customerId":"acme"},\t{"customerId":"acme","type":"c","data":1.0}] }';
    await post(app).set('Content-Type', 'application/json').send(body);
    expect(events.map(({ type, dataSource }) => [type, dataSource])).toEqual([
      ['a', '12345678901234567890'],
      ['b', '"]},{\\""'],
      ['c', '1.0'],
    ]);
  });

  it('hands all events over before the first is committed, so that they share a commit', async () => {
    let allAreThere: () => void = () => undefined;
    const all = new Promise<void>((resolve) => (allAreThere = resolve));
    // No commit ends until the last event was handed over.
    const { app } = testIngest(async (given, index) => {
      if (index === 999) allAreThere();
      await all;
      return accepted(given);
    });
    const response = await post(app).send({ events: Array<unknown>(1_000).fill(event) });
    expect((response.body as { results: unknown[] }).results).toHaveLength(1_000);
  });

  it('gives every place a key of its own, which no single event can have', async () => {
    const { app, events } = testIngest();
    await post(app)
      .set('Idempotency-Key', 'k')
      .send({ events: [event, event] });
    expect(events.map(({ idempotencyKey }) => idempotencyKey)).toEqual(['k\n0', 'k\n1']);
  });

  it('answers 503 with Retry-After when none could be committed', async () => {
    const { app } = testIngest(() => ({ kind: 'unavailable', because: 'database' }));
    const response = await post(app).send({ events: [event, event] });
    expect(response.body).toMatchObject({ status: 503, code: 'unavailable' });
    expect(response.headers['retry-after']).toBe('1');
  });

  it.each([
    ['no list', { events: {} }, 400],
    ['a bare list', [event], 400],
    ['an empty list', { events: [] }, 400],
    ['more than 1,000 events', { events: Array<unknown>(1_001).fill(event) }, 400],
    ['members beside the events', { events: [event], atomic: true }, 400],
    ['more than 5 MiB', { events: [{ ...event, data: 'x'.repeat(5 * 1024 * 1024) }] }, 413],
  ])('refuses %s as a whole', async (_what, body, status) => {
    const { app, events } = testIngest();
    expect((await post(app).send(body)).status).toBe(status);
    expect(events).toEqual([]);
  });

  it('takes a batch of 5 MiB whose events are each within the limit', async () => {
    const { app, events } = testIngest();
    const large = { ...event, data: 'x'.repeat(262_000) };
    const response = await post(app).send({ events: Array<unknown>(19).fill(large) });
    expect(response.status).toBe(202);
    expect(events).toHaveLength(19);
  });

  it('takes nothing for the operator’s customer, and the rest of the batch', async () => {
    const { app } = testIngest();
    const response = await post(app, keys.writer).send({
      events: [event, { ...event, customerId: 'posthorn' }],
    });
    expect((response.body as { results: unknown[] }).results).toMatchObject([
      { status: 202 },
      { status: 403, code: 'forbidden' },
    ]);
  });

  it('does not let a key of one customer send for another', async () => {
    const { app, events } = testIngest();
    const response = await post(app, keys.acme).send({ events: [event, { ...event, customerId: 'globex' }] });
    expect((response.body as { results: { status: number }[] }).results.map(({ status }) => status)).toEqual([
      202, 404,
    ]);
    expect(events).toHaveLength(1);
  });
});
