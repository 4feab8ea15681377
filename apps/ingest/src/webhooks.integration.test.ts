import { type Operation, operations, validateValue } from '@posthorn/api-contract';
import { createCustomerStore } from '@posthorn/database';
import { decodeId } from '@posthorn/domain';
import { createLogger } from '@posthorn/runtime';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import supertest from 'supertest';

import { openIngest, type OpenIngest } from './test-support/open-ingest.js';

const path = '/v1/webhooks/deliver';
const oneShot = { customerId: 'acme', url: 'https://example.com/callback', payload: { n: 1 } };

let ingest: OpenIngest;
let keys: Record<'writer' | 'acme' | 'globex' | 'reader' | 'admin', string>;

beforeAll(async () => {
  ingest = await openIngest(createLogger({ level: 'silent', role: 'test' }));
  const none = { name: null, metadata: null, notificationUrl: null, maxInFlight: null };
  await createCustomerStore(ingest.database).put('globex', { ...none, rateLimit: null, maxEndpoints: null });
  keys = {
    writer: ingest.key,
    acme: await ingest.createKey(['events:write'], 'acme'),
    globex: await ingest.createKey(['events:write'], 'globex'),
    reader: await ingest.createKey(['read'], null),
    admin: await ingest.createKey(['admin'], null),
  };
});
afterAll(() => ingest.close());

interface HttpResponse {
  status: number;
  headers: Record<string, string>;
  body: Record<string, unknown> & { id: string; errors: { path: string }[] };
}

/** Every answer is checked against what the document says of it. */
function checked(answer: HttpResponse, { responses, problems }: Operation): HttpResponse {
  const schema = responses[answer.status]?.schema;
  if (schema) {
    expect(validateValue(schema, answer.body, { convert: false })).toMatchObject({ ok: true });
  } else {
    const always = ['unauthorized', 'forbidden', 'method_not_allowed'];
    expect([...problems, ...always]).toContain(answer.body['code']);
    expect(answer.headers['content-type']).toContain('application/problem+json');
  }
  return answer;
}

const request = () => supertest(`http://127.0.0.1:${ingest.port}`);

async function deliver(
  body: object | string,
  {
    key = keys.writer,
    headers = {},
    at = path,
  }: { key?: string; headers?: Record<string, string>; at?: string } = {},
): Promise<HttpResponse> {
  const answer = await request()
    .post(at)
    .set({ Authorization: `Bearer ${key}`, 'Content-Type': 'application/json', ...headers })
    .serialize((value: unknown) => (typeof value === 'string' ? value : JSON.stringify(value)))
    .send(body);
  return checked(answer, operations.deliverWebhook);
}

async function status(id: string, key = keys.writer, at = '/v1/webhooks'): Promise<HttpResponse> {
  const answer = await request().get(`${at}/${id}/status`).set('Authorization', `Bearer ${key}`);
  return checked(answer, operations.getWebhookStatus);
}

const stored = async (id: string): Promise<Record<string, unknown>> => {
  const { rows } = await ingest.database.pool.query<Record<string, unknown>>(
    `SELECT e.body, e.type, d.customer_id, d.status, o.url, o.retry_policy, o.headers_sealed IS NOT NULL AS sealed
       FROM delivery d JOIN event e ON e.id = d.event_id JOIN one_shot o ON o.id = d.event_id WHERE d.id = $1`,
    [decodeId('dlv', id)],
  );
  return rows[0] ?? {};
};

describe('POST /v1/webhooks/deliver', () => {
  it.each([path, `/api${path}`])(
    'answers 202 at %s after it is committed, and hands it to the queue',
    async (at) => {
      const {
        status: code,
        body,
        headers,
      } = await deliver(
        { ...oneShot, headers: { 'X-Team': 'billing' }, retryPolicy: { maxAttempts: 3 } },
        { at },
      );
      expect(code).toBe(202);
      expect(body).toEqual({ id: expect.stringMatching(/^dlv_/), status: 'pending' });
      expect(headers['x-request-id']).toBeDefined();
      expect(headers['idempotent-replayed']).toBeUndefined();
      expect(await stored(body.id)).toEqual({
        body: '{"n":1}',
        type: 'posthorn.one_shot',
        customer_id: 'acme',
        status: 'pending',
        url: oneShot.url,
        retry_policy: { maxAttempts: 3 },
        sealed: true,
      });
      expect(ingest.enqueued).toContain(decodeId('dlv', body.id));
    },
  );

  it.each([
    '12345678901234567890',
    '1.0',
    'null',
    '"\\u00e9\\ud800"',
    '{ "b" : 1 , "a":2,"a":3 }',
    '[1,\n2]',
  ])('keeps the bytes of the payload: %s', async (payload) => {
    const { body } = await deliver(
      `{"payload":  ${payload} ,"url":"https://example.com/","customerId":"acme"}`,
    );
    expect((await stored(body.id))['body']).toBe(payload);
  });

  it('is the key’s own customer’s when it does not say whose, and then has to have one', async () => {
    const { customerId: _, ...bare } = oneShot;
    const own = await deliver(bare, { key: keys.globex });
    expect((await stored(own.body.id))['customer_id']).toBe('globex');
    const anybody = await deliver(bare);
    expect(anybody.status).toBe(400);
    expect(anybody.body.errors).toMatchObject([{ path: 'customerId' }]);
  });

  it('answers a repeat with the first answer, and 409 to another request under its key', async () => {
    const headers = { 'Idempotency-Key': 'job 42' };
    const first = await deliver(oneShot, { headers });
    const repeat = await deliver(oneShot, { headers });
    expect(repeat.status).toBe(202);
    expect(repeat.body).toEqual(first.body);
    expect(repeat.headers['idempotent-replayed']).toBe('true');
    const other = await deliver({ ...oneShot, payload: { n: 2 } }, { headers });
    expect(other.body).toMatchObject({ status: 409, code: 'idempotency_conflict' });
    const bad = await deliver(oneShot, { headers: { 'Idempotency-Key': 'x'.repeat(256) } });
    expect(bad.body).toMatchObject({ status: 400, errors: [{ path: 'Idempotency-Key' }] });
  });

  it('names every problem of its body', async () => {
    const { status: code, body } = await deliver({ url: 'ftp://example.com', headers: [], retries: 3 });
    expect(code).toBe(400);
    expect(body.errors.map(({ path: at }) => at).sort()).toEqual(['headers', 'payload', 'retries', 'url']);
  });

  it.each([
    ['a hop-by-hop header', { headers: { Connection: 'close' } }],
    ['a signing header', { headers: { 'Webhook-Signature': 'v1,x' } }],
    ['a framing header', { headers: { 'Content-Length': '1' } }],
    ['a header that smuggles another in', { headers: { 'X-A': 'b\r\nX-C: d' } }],
    ['no attempts', { retryPolicy: { maxAttempts: 0 } }],
    ['a policy that contradicts itself', { retryPolicy: { delaysSeconds: [1], factor: 2 } }],
    ['a customer id that is none', { customerId: 'a b' }],
    ['a URL without a host', { url: 'https://' }],
  ])('refuses %s with 400', async (_what, change) => {
    expect((await deliver({ ...oneShot, ...change })).status).toBe(400);
  });

  it('refuses a target that nothing is sent to with 422', async () => {
    const { status: code, body } = await deliver({ ...oneShot, url: 'https://refused.example/hook' });
    expect(code).toBe(422);
    expect(body).toMatchObject({ code: 'unprocessable', errors: [{ path: 'url' }] });
  });

  it('is for keys with the scope events:write', async () => {
    expect((await deliver(oneShot, { key: 'phk_unknown_unknown_unknown' })).status).toBe(401);
    expect((await deliver(oneShot, { key: keys.reader })).status).toBe(403);
    expect((await deliver(oneShot, { key: keys.admin })).status).toBe(202);
  });

  it('answers another’s customer like one that is not there', async () => {
    const another = await deliver({ ...oneShot, customerId: 'globex' }, { key: keys.acme });
    const nobody = await deliver({ ...oneShot, customerId: 'nobody' });
    expect(another.status).toBe(404);
    expect({ ...another.body, requestId: '' }).toEqual({ ...nobody.body, requestId: '' });
  });

  it('takes a request of 256 KiB and not a byte more', async () => {
    const frame = JSON.stringify({ ...oneShot, payload: '' });
    const filled = (bytes: number) => frame.replace('""', `"${'x'.repeat(bytes - frame.length)}"`);
    expect((await deliver(filled(262_144))).status).toBe(202);
    expect((await deliver(filled(262_145))).body).toMatchObject({ status: 413, code: 'payload_too_large' });
  });

  it('refuses what is not JSON, query parameters and other methods', async () => {
    const form = await deliver('a=b', { headers: { 'Content-Type': 'application/x-www-form-urlencoded' } });
    expect(form.status).toBe(415);
    expect((await deliver('{"url":')).status).toBe(400);
    expect((await deliver(oneShot, { at: `${path}?dryRun=true` })).status).toBe(400);
    const got = await request().get(`/api${path}`).set('Authorization', `Bearer ${keys.writer}`);
    expect(got.status).toBe(405);
    expect(got.headers['allow']).toBe('POST');
  });
});

describe('GET /v1/webhooks/{id}/status', () => {
  it.each(['/v1/webhooks', '/api/v1/webhooks'])(
    'says at %s what is known from the first moment on',
    async (at) => {
      const { body } = await deliver(oneShot);
      expect((await status(body.id, keys.acme, at)).body).toEqual({
        id: body.id,
        url: oneShot.url,
        status: 'pending',
        reason: null,
        attempts: 0,
        lastAttemptAt: null,
        nextAttemptAt: expect.any(String),
        deliveredAt: null,
        error: null,
      });
    },
  );

  it('answers 404 for another’s, for an event’s delivery and for what is no id', async () => {
    const { body } = await deliver(oneShot);
    expect((await status(body.id, keys.globex)).status).toBe(404);
    const event = { customerId: 'acme', type: 'invoice.paid', data: 1 };
    await request().post('/v1/events').set('Authorization', `Bearer ${keys.writer}`).send(event).expect(202);
    const { rows } = await ingest.database.pool.query<{ id: string }>(
      "SELECT 'dlv_' || id AS id FROM delivery WHERE type = 'invoice.paid'",
    );
    expect(rows).toHaveLength(1);
    for (const id of ['dlv_01h455vb4pex5vsknk084sn02q', 'evt_01h455vb4pex5vsknk084sn02q', 'x', rows[0]!.id]) {
      expect((await status(id)).status).toBe(404);
    }
  });

  it('is for keys with the scope events:write', async () => {
    const { body } = await deliver(oneShot);
    expect((await status(body.id, 'phk_unknown_unknown_unknown')).status).toBe(401);
    expect((await status(body.id, keys.reader)).status).toBe(403);
  });
});

it('answers 503 with Retry-After when it has too much to do', async () => {
  const busy = await openIngest(createLogger({ level: 'silent', role: 'test' }), { waitingMax: 0 });
  for (const at of [path, `/api${path}`]) {
    const answer = await supertest(`http://127.0.0.1:${busy.port}`)
      .post(at)
      .set('Authorization', `Bearer ${busy.key}`)
      .send(oneShot);
    const { status: code, body, headers } = checked(answer, operations.deliverWebhook);
    expect([code, body['code']]).toEqual([503, 'unavailable']);
    expect(Number(headers['retry-after'])).toBeGreaterThan(0);
  }
  await busy.close();
});
