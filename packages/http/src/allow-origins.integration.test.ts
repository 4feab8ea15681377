import { describe, expect, it } from '@jest/globals';
import { createLogger } from '@posthorn/runtime';
import { Router } from 'express';
import request from 'supertest';

import { createHttpApp } from './create-http-app.js';

const logger = createLogger({ level: 'silent', role: 'test' });
const router = Router().get('/v1/things', (_request, response) => {
  response.json({});
});
const pages = Router().get('/queues', (_request, response) => {
  response.send('');
});
const ingest = Router().post('/v1/events', (_request, response) => {
  response.json({});
});
const app = (corsOrigins: string[]) =>
  createHttpApp({ logger, ingest, routers: [router, pages], corsOrigins });
const allowed = ['https://app.example.com', 'http://localhost:3000'];
const corsHeaders = (headers: Record<string, string>) =>
  Object.keys(headers).filter((name) => name.startsWith('access-control-'));

describe('a page of another origin', () => {
  it('may read nothing unless its origin is listed', async () => {
    for (const [origins, origin] of [
      [[], 'https://app.example.com'],
      [allowed, 'https://evil.example'],
      [allowed, 'http://app.example.com'],
      [allowed, 'https://app.example.com.evil.example'],
      [allowed, 'null'],
    ] as const) {
      const answer = await request(app([...origins]))
        .get('/v1/things')
        .set('Origin', origin);
      expect(answer.headers).not.toHaveProperty('access-control-allow-origin');
      expect(answer.headers).not.toHaveProperty('access-control-allow-credentials');
    }
    const preflight = await request(app([])).options('/v1/things').set('Origin', 'https://app.example.com');
    expect(corsHeaders(preflight.headers as Record<string, string>)).toEqual([]);
  });

  it('may call the API where it is listed, with its key in a header and none of the browser’s credentials', async () => {
    for (const origin of allowed) {
      const preflight = await request(app(allowed))
        .options('/v1/things')
        .set('Origin', origin)
        .set('Access-Control-Request-Method', 'PATCH')
        .set('Access-Control-Request-Headers', 'authorization,content-type');
      expect(preflight.status).toBe(204);
      expect(preflight.headers['access-control-allow-origin']).toBe(origin);
      expect(preflight.headers['access-control-allow-methods']).toContain('PATCH');
      expect(preflight.headers['access-control-allow-headers']).toContain('Authorization');
      expect(preflight.headers).not.toHaveProperty('access-control-allow-credentials');
      const answer = await request(app(allowed)).get('/v1/things').set('Origin', origin);
      expect(answer.headers).toMatchObject({ 'access-control-allow-origin': origin, vary: 'Origin' });
      expect(answer.headers['access-control-expose-headers']).toContain('X-Request-Id');
    }
  });

  it('may read the events that it may not send, though both are at one path', async () => {
    const preflight = (method: string) =>
      request(app(allowed))
        .options('/v1/events')
        .set('Origin', 'https://app.example.com')
        .set('Access-Control-Request-Method', method)
        .set('Access-Control-Request-Headers', 'authorization');
    const reading = await preflight('GET');
    expect(reading.status).toBe(204);
    expect(reading.headers['access-control-allow-origin']).toBe('https://app.example.com');
    expect((await preflight('POST')).headers).not.toHaveProperty('access-control-allow-origin');
  });

  it('may read neither what ingest answers nor the pages of operators, listed or not', async () => {
    const origin = 'https://app.example.com';
    for (const sent of [
      request(app(allowed)).post('/v1/events').set('Origin', origin),
      request(app(allowed)).get('/queues').set('Origin', origin),
    ])
      expect((await sent).headers).not.toHaveProperty('access-control-allow-origin');
  });
});

describe('every answer of the API', () => {
  it('says that nothing may be framed, guessed at or passed on in a Referer', async () => {
    const { headers } = await request(app([])).get('/v1/things');
    expect(headers).toMatchObject({
      'content-security-policy':
        "default-src 'none';frame-ancestors 'none';base-uri 'none';form-action 'none'",
      'x-frame-options': 'DENY',
      'x-content-type-options': 'nosniff',
      'referrer-policy': 'no-referrer',
      'cross-origin-resource-policy': 'same-origin',
      'strict-transport-security': expect.stringContaining('max-age='),
    });
    expect(headers).not.toHaveProperty('x-powered-by');
  });
});
