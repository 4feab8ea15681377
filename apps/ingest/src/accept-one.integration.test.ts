import { describe, expect, it } from '@jest/globals';
import type { AcceptOutcome } from '@posthorn/delivery/accept';
import request from 'supertest';
import { gzipSync } from 'node:zlib';

import { accepted, eventId, keys, testIngest } from './test-support/test-ingest.js';

const event = { customerId: 'acme', type: 'invoice.paid', data: { total: 1 } };

const post = (app: Parameters<typeof request>[0], key = keys.writer) =>
  request(app).post('/v1/events').set('Authorization', `Bearer ${key}`);

/** Bytes exactly as given, under exactly these headers. */
const postRaw = (app: Parameters<typeof request>[0], body: string | Buffer, type = 'application/json') =>
  post(app)
    .set('Content-Type', type)
    .serialize((value: unknown) => value as string)
    .send(body as string);

describe('POST /v1/events', () => {
  it('answers 202 with the event as it was accepted', async () => {
    const { app, events } = testIngest();
    const response = await post(app).send({
      ...event,
      externalId: 'in_1',
      timestamp: '2026-03-04T05:06:07.089+01:00',
    });
    expect(response.status).toBe(202);
    expect(response.body).toEqual({
      id: eventId,
      customerId: 'acme',
      type: 'invoice.paid',
      timestamp: '2026-03-04T04:06:07.089Z',
      deliveries: 2,
    });
    expect(response.headers['idempotent-replayed']).toBeUndefined();
    expect(response.headers['x-request-id']).toBeDefined();
    expect(events).toEqual([
      {
        customerId: 'acme',
        type: 'invoice.paid',
        dataSource: '{"total":1}',
        externalId: 'in_1',
        occurredAtMs: Date.parse('2026-03-04T04:06:07.089Z'),
        idempotencyKey: null,
      },
    ]);
  });

  it.each([
    '12345678901234567890',
    '1.0',
    '-0',
    '1E400',
    '"\\u00e9\\/\\ud800"',
    '{ "b" : 1 , "a":2,"a":3 }',
    '[1, 2,\n3]',
    'null',
    'false',
    '"é 😀"',
    '{"__proto__":{"polluted":true},"constructor":1}',
    '{"data":{"data":1}}',
  ])('keeps the bytes of data: %s', async (data) => {
    const { app, events } = testIngest();
    const response = await postRaw(app, `{"data":  ${data} ,"type":"a.b","customerId":"acme"}`);
    expect(response.status).toBe(202);
    expect(events[0]?.dataSource).toBe(data);
    expect(({} as Record<string, unknown>).polluted).toBeUndefined();
  });

  it('takes the last of repeated members, as every JSON parser', async () => {
    const { app, events } = testIngest();
    await postRaw(app, '{"customerId":"first","customerId":"acme","type":"a","data":1,"\\u0064ata":2}');
    expect(events).toMatchObject([{ customerId: 'acme', dataSource: '2' }]);
  });

  it('hands the idempotency key over and marks a repeated answer', async () => {
    const { app, events } = testIngest((given) => ({
      ...(accepted(given) as AcceptOutcome & { kind: 'accepted' }),
      replayed: true,
    }));
    const response = await post(app).set('Idempotency-Key', 'order 42/paid').send(event);
    expect(response.status).toBe(202);
    expect(response.headers['idempotent-replayed']).toBe('true');
    expect(events[0]?.idempotencyKey).toBe('order 42/paid');
  });

  it.each([
    ['empty', ''],
    ['long', 'x'.repeat(256)],
    ['not ASCII', 'clé'],
  ])('refuses an idempotency key that is %s', async (_what, key) => {
    const { app, events } = testIngest();
    const response = await post(app).set('Idempotency-Key', key).send(event);
    expect(response.body).toMatchObject({
      status: 400,
      code: 'invalid_request',
      errors: [{ path: 'Idempotency-Key' }],
    });
    expect(events).toEqual([]);
  });

  it('names every problem of an event', async () => {
    const response = await post(testIngest().app).send({ customerId: '', type: 'a b', more: 1 });
    expect(response.status).toBe(400);
    expect(response.headers['content-type']).toBe('application/problem+json; charset=utf-8');
    const { errors } = response.body as { errors: { path: string }[] };
    expect(errors.map(({ path }) => path).sort()).toEqual(['customerId', 'data', 'more', 'type']);
  });

  it.each([
    ['no JSON', '{"customerId":', 400],
    ['an empty body', '', 400],
    ['a byte order mark', '\ufeff{}', 400],
    ['invalid UTF-8', Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d]), 400],
    ['UTF-16', Buffer.from('{}', 'utf16le'), 400],
    ['a list', '[]', 400],
    ['text', '"event"', 400],
    ['null', 'null', 400],
    ['__proto__ in place of members', '{"__proto__":{"customerId":"acme","type":"a","data":1}}', 400],
    ['100,000 levels of lists', `${'['.repeat(100_000)}${']'.repeat(100_000)}`, 400],
    ['an unclosed bomb', '['.repeat(200_000), 400],
    ['262,145 bytes', `{"a":"${'x'.repeat(262_145 - 8)}"}`, 413],
  ])('refuses %s', async (_what, body, status) => {
    const { app, events } = testIngest();
    const response = await postRaw(app, body);
    expect(response.status).toBe(status);
    expect(response.body).toMatchObject({ code: status === 413 ? 'payload_too_large' : 'invalid_request' });
    expect(response.text.length).toBeLessThan(1_000);
    expect(events).toEqual([]);
  });

  it('accepts data nested 100,000 levels deep', async () => {
    const { app, events } = testIngest();
    const data = `${'['.repeat(100_000)}${']'.repeat(100_000)}`;
    const response = await postRaw(app, `{"customerId":"acme","type":"a","data":${data}}`);
    expect(response.status).toBe(202);
    expect(events[0]?.dataSource).toBe(data);
  });

  it('takes exactly the limit, however the body is cut into pieces', async () => {
    const { app, events } = testIngest();
    const frame = '{"customerId":"acme","type":"a","data":""}';
    const body = frame.replace('""', `"${'x'.repeat(262_144 - frame.length)}"`);
    expect(Buffer.byteLength(body)).toBe(262_144);
    expect((await postRaw(app, body)).status).toBe(202);
    expect(events[0]?.dataSource).toHaveLength(262_144 - frame.length + 2);
  });

  it('refuses a body without a length as soon as it passes the limit', async () => {
    const { app } = testIngest();
    const sent = post(app).set('Content-Type', 'application/json').set('Transfer-Encoding', 'chunked');
    for (let chunk = 0; chunk < 40; chunk++) sent.write('x'.repeat(10_000));
    expect((await sent).body).toMatchObject({ status: 413, code: 'payload_too_large' });
  });

  it.each([
    'text/plain',
    'application/x-www-form-urlencoded',
    'application/json5',
    'application/json; charset=iso-8859-1',
    'application/json; charset=utf-16',
  ])('refuses the content type %s', async (type) => {
    const response = await postRaw(testIngest().app, JSON.stringify(event), type);
    expect(response.body).toMatchObject({ status: 415, code: 'unsupported_media_type' });
  });

  it.each([
    'application/json',
    'Application/JSON',
    'application/json;charset=UTF-8',
    'application/json; charset="utf-8"',
  ])('takes the content type %s', async (type) => {
    expect((await postRaw(testIngest().app, JSON.stringify(event), type)).status).toBe(202);
  });

  it('refuses compressed bodies', async () => {
    const response = await post(testIngest().app)
      .set('Content-Type', 'application/json')
      .set('Content-Encoding', 'gzip')
      .serialize((value: unknown) => value as string)
      .send(gzipSync(JSON.stringify(event)) as unknown as string);
    expect(response.body).toMatchObject({ status: 415, code: 'unsupported_media_type' });
  });

  it('refuses query parameters', async () => {
    const response = await request(testIngest().app)
      .post('/v1/events?dryRun=1')
      .set('Authorization', `Bearer ${keys.writer}`)
      .send(event);
    expect(response.body).toMatchObject({ status: 400, errors: [{ path: 'dryRun' }] });
  });

  it('needs the scope events:write, which admin has', async () => {
    const { app } = testIngest();
    expect((await request(app).post('/v1/events').send(event)).status).toBe(401);
    expect((await post(app, keys.reader).send(event)).body).toMatchObject({ status: 403, code: 'forbidden' });
    expect((await post(app, keys.admin).send(event)).status).toBe(202);
  });

  it('takes nothing for the operator’s customer, whoever asks', async () => {
    const { app, events } = testIngest();
    for (const key of [keys.writer, keys.admin]) {
      const response = await post(app, key)
        .send({ ...event, customerId: 'posthorn' })
        .expect(403);
      expect(response.body).toMatchObject({ code: 'forbidden' });
    }
    await post(app, keys.acme)
      .send({ ...event, customerId: 'posthorn' })
      .expect(404);
    expect(events).toEqual([]);
  });

  it('answers a key of one customer about others exactly as about customers that are not there', async () => {
    const { app, events } = testIngest(() => ({ kind: 'unknown_customer' }));
    const unknown = await post(app)
      .set('X-Request-Id', 'same')
      .send({ ...event, customerId: 'nobody' });
    expect(events).toHaveLength(1);
    const other = await post(app, keys.acme)
      .set('X-Request-Id', 'same')
      .send({ ...event, customerId: 'globex' });
    expect(events).toHaveLength(1);
    expect(unknown.body).toMatchObject({ status: 404, code: 'not_found' });
    expect(other.text).toBe(unknown.text);
    expect((await post(testIngest().app, keys.acme).send(event)).status).toBe(202);
  });

  it.each<[string, AcceptOutcome, number, string]>([
    ['a conflict of keys', { kind: 'idempotency_conflict' }, 409, 'idempotency_conflict'],
    ['an overload', { kind: 'unavailable', because: 'overload' }, 503, 'unavailable'],
    ['Postgres being away', { kind: 'unavailable', because: 'database' }, 503, 'unavailable'],
  ])('tells of %s', async (_what, outcome, status, code) => {
    const response = await post(testIngest(() => outcome).app).send(event);
    expect(response.body).toMatchObject({ status, code });
    expect(response.headers['retry-after']).toBe(status === 503 ? '1' : undefined);
  });

  it('answers a bug with 500', async () => {
    const response = await post(testIngest(() => new Error('inner')).app).send(event);
    expect(response.body).toMatchObject({ status: 500, code: 'internal_error' });
    expect(response.text).not.toContain('inner');
  });

  it('leaves other methods to whoever comes next', async () => {
    const response = await request(testIngest().app).delete('/v1/events');
    expect(response.status).toBe(405);
    expect(response.headers.allow).toContain('POST');
  });
});
