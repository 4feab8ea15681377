import { describe, expect, it } from '@jest/globals';
import { openDatabase } from '@posthorn/database';
import { createLogger } from '@posthorn/runtime';
import { waitUntil } from '@posthorn/testing';
import { Router } from 'express';
import net from 'node:net';
import request from 'supertest';

import { AppError } from './app-error.js';
import { createHttpApp } from './create-http-app.js';
import { createHttpServer } from './http-server.js';
import { keys, testApp } from './test-support/test-app.js';

const silent = createLogger({ level: 'silent', role: 'test' });
const throwing = (work: () => unknown) => {
  const router = Router();
  router.get('/boom', async (_request, response) => {
    response.json(await work());
  });
  return testApp({}, [router]);
};

describe('every answer', () => {
  const { app } = throwing(() => ({}));

  it('carries the caller’s request id when it is sane, otherwise one of ours', async () => {
    const given = await request(app).get('/boom').set('X-Request-Id', 'order-42:retry.1');
    expect(given.headers['x-request-id']).toBe('order-42:retry.1');
    for (const insane of ['a b', 'x'.repeat(129), '<script>', 'é']) {
      const response = await request(app).get('/nothing').set('X-Request-Id', insane);
      expect(response.headers['x-request-id']).toMatch(/^[0-9a-f-]{36}$/);
      expect(response.body).toMatchObject({ requestId: response.headers['x-request-id'] });
    }
  });

  it('forbids sniffing, framing and loading, and does not name its software', async () => {
    const { headers } = await request(app).get('/boom');
    expect(headers['content-security-policy']).toContain("default-src 'none'");
    expect(headers['x-content-type-options']).toBe('nosniff');
    expect(headers['x-frame-options']).toBe('DENY');
    expect(headers['x-powered-by']).toBeUndefined();
  });
});

describe('problemHandler', () => {
  it('renders a refusal as a problem document', async () => {
    const { app, lines } = throwing(() => {
      throw new AppError({
        code: 'rate_limited',
        detail: 'Slow down.',
        headers: { 'Retry-After': '3' },
        cause: new Error('internal fact'),
      });
    });
    const response = await request(app).get('/boom');
    expect(response.status).toBe(429);
    expect(response.headers['content-type']).toBe('application/problem+json; charset=utf-8');
    expect(response.headers['retry-after']).toBe('3');
    expect(response.body).toEqual({
      type: '/docs#problem-rate_limited',
      title: 'Too many requests',
      status: 429,
      code: 'rate_limited',
      detail: 'Slow down.',
      requestId: response.headers['x-request-id'],
    });
    expect(lines).toEqual([]);
  });

  it('answers a bug with 500 and nothing of it, and logs it once with its cause', async () => {
    const { app, lines } = throwing(() => {
      throw new Error('inner secret', { cause: new Error('root of it') });
    });
    const response = await request(app).get('/boom').set('X-Request-Id', 'find-me');
    expect(response.status).toBe(500);
    expect(response.body).toMatchObject({ code: 'internal_error', requestId: 'find-me' });
    expect(response.text).not.toMatch(/inner|root|at |\.ts|stack/);
    expect(lines).toHaveLength(1);
    expect(JSON.parse(lines[0] ?? '')).toMatchObject({
      level: 'error',
      msg: 'request.failed',
      request_id: 'find-me',
      error: { message: 'inner secret', cause: { message: 'root of it' } },
    });
  });

  it.each([undefined, null, 'text'])('survives %j being thrown', async (thrown) => {
    const { app } = throwing(() => {
      // eslint-disable-next-line @typescript-eslint/only-throw-error -- what a careless library does
      throw thrown;
    });
    expect((await request(app).get('/boom')).status).toBe(500);
  });

  it('answers 503 with Retry-After while Postgres is away, whoever notices', async () => {
    const database = openDatabase({ url: 'postgres://nobody@127.0.0.1:1/none', poolMax: 1, logger: silent });
    for (const work of [
      () => database.prisma.customer.findFirst(),
      () => database.prisma.$queryRaw`SELECT 1`,
      () => database.prisma.$transaction((tx) => tx.customer.findFirst()),
    ]) {
      const response = await request(throwing(work).app).get('/boom');
      expect(response.body).toMatchObject({ status: 503, code: 'unavailable' });
      expect(response.headers['retry-after']).toBe('1');
    }
    await database.close();
  });

  it('logs an outage once, not once per request', async () => {
    const { app, lines } = throwing(() => {
      throw Object.assign(new Error('connect'), { code: 'ECONNREFUSED' });
    });
    for (let index = 0; index < 5; index++) await request(app).get('/boom');
    expect(lines.map((line) => (JSON.parse(line) as { msg: string }).msg)).toEqual(['request.unavailable']);
  });

  it('answers 404 for what is not there and 405 with Allow for what is, by another method', async () => {
    const { app } = testApp({ getCustomer: () => Promise.resolve({ status: 200 }) });
    expect((await request(app).get('/v2/nothing')).body).toMatchObject({ status: 404, code: 'not_found' });
    const response = await request(app)
      .post('/v1/customers/acme')
      .set('Authorization', `Bearer ${keys.admin}`);
    expect(response.body).toMatchObject({ status: 405, code: 'method_not_allowed' });
    expect(response.headers.allow).toBe('DELETE, GET, HEAD, PUT');
    expect((await request(app).delete('/v1/events/batch')).headers.allow).toBe('POST');
    // The path is there and allows them; this process does not serve it.
    for (const method of ['get', 'head'] as const)
      expect((await request(app)[method]('/v1/customers')).status).toBe(404);
  });

  it('answers OPTIONS in the same way, also where events are sent to', async () => {
    const served = (method: 'get' | 'post', path: string) =>
      Router()[method](path, (_request, response) => {
        response.end();
      });
    const app = createHttpApp({
      logger: createLogger({ level: 'silent', role: 'test' }),
      ingest: served('post', '/v1/events'),
      routers: [served('get', '/v1/customers/:customerId')],
    });
    for (const [path, allow] of [
      ['/v1/customers/acme', 'DELETE, GET, HEAD, PUT'],
      ['/v1/events', 'GET, HEAD, POST'],
    ] as const) {
      const response = await request(app).options(path);
      expect(response.body).toMatchObject({ status: 405, code: 'method_not_allowed' });
      expect(response.headers.allow).toBe(allow);
    }
    expect((await request(app).options('/v2/nothing')).status).toBe(404);
  });

  it('answers 400 for a path that does not decode', async () => {
    const { app } = testApp({ getCustomer: () => Promise.resolve({ status: 200 }) });
    const response = await request(app)
      .get('/v1/customers/%E0%A4%A')
      .set('Authorization', `Bearer ${keys.admin}`);
    expect(response.body).toMatchObject({ status: 400, code: 'invalid_request' });
  });

  it('closes the connection of a body that is far too large instead of reading it all', async () => {
    const { app } = testApp({ createEndpoint: () => Promise.resolve({ status: 201 }) });
    const server = await createHttpServer({ handler: app, host: '127.0.0.1', port: 0 });
    const post = `POST /v1/customers/acme/endpoints HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${keys.admin}\r\n`;
    const type = 'Content-Type: application/json\r\n';
    for (const [head, expected] of [
      [`${post}${type}Content-Length: 2147483648\r\n\r\n`, 413],
      [`${post}${type}Transfer-Encoding: chunked\r\n\r\n7fffffff\r\n`, 413],
      [`${post}Content-Type: text/plain\r\nContent-Length: 2147483648\r\n\r\n`, 415],
    ] as const) {
      const socket = net.connect(server.port, '127.0.0.1');
      let received = '';
      let isClosed = false;
      socket.on('data', (chunk) => (received += chunk.toString()));
      socket.on('error', () => undefined);
      socket.on('close', () => (isClosed = true));
      socket.write(head);
      const chunk = Buffer.alloc(65_536, ' ');
      const pump = (): void => {
        while (!isClosed && socket.write(chunk));
      };
      socket.on('drain', pump);
      pump();
      await waitUntil(() => isClosed);
      expect(received).toMatch(new RegExp(`^HTTP/1.1 ${expected} `));
      expect(received).toMatch(/^Connection: close$/im);
      expect(socket.bytesWritten).toBeLessThan(256 * 1024 * 1024);
    }
    await server.close();
  });

  it('keeps the connection when what is left of a refused body is short', async () => {
    const response = await request(testApp({ createEndpoint: () => Promise.resolve({ status: 201 }) }).app)
      .post('/v1/customers/acme/endpoints')
      .set('Connection', 'keep-alive')
      .send({ url: 'https://example.com' });
    expect(response.status).toBe(401);
    expect(response.headers.connection).toBe('keep-alive');
  });

  it('lets go of a request whose sender went away in the middle of the body', async () => {
    let reading = false;
    const { app, lines } = testApp({ createEndpoint: () => Promise.resolve({ status: 201 }) });
    const server = await createHttpServer({
      handler: (incoming, response) => {
        incoming.once('resume', () => {
          reading = true;
        });
        app(incoming, response);
      },
      host: '127.0.0.1',
      port: 0,
    });
    const socket = net.connect(server.port, '127.0.0.1');
    socket.write(
      `POST /v1/customers/acme/endpoints HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${keys.admin}\r\n` +
        'Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{"url"',
    );
    await waitUntil(() => reading);
    socket.destroy();
    await waitUntil(() => lines.length > 0);
    await server.close();
    expect(lines.map((line) => (JSON.parse(line) as { level: string }).level)).toEqual(['debug']);
  });
});
