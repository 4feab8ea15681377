import { describe, expect, it } from '@jest/globals';
import { operations, validateValue } from '@posthorn/api-contract';
import { createHash } from 'node:crypto';
import request from 'supertest';

import { createOperationRouter } from './operation-router.js';
import type { ReadyCheck } from './ready-checks.js';
import { testApp } from './test-support/test-app.js';

const appWith = (...checks: ReadyCheck[]) =>
  testApp({}, [createOperationRouter({ checks, version: '9.9.9' })]).app;
const passing: ReadyCheck = {
  name: 'postgres',
  check: () => Promise.resolve({ ok: true, detail: 'skew 2 ms' }),
};

describe('/health', () => {
  it('says ok whatever the checks say', async () => {
    const response = await request(
      appWith({ name: 'postgres', check: () => Promise.resolve({ ok: false }) }),
    ).get('/health');
    expect([response.status, response.body]).toEqual([200, { status: 'ok' }]);
  });
});

describe('a path', () => {
  it('is case-sensitive', async () => {
    for (const path of ['/Health', '/READY', '/openapi.JSON', '/Docs']) {
      expect((await request(appWith()).get(path)).status).toBe(404);
    }
  });
});

describe('/ready', () => {
  it('is 200 when all checks pass, and names each', async () => {
    const response = await request(appWith(passing)).get('/ready');
    expect(response.status).toBe(200);
    expect(response.headers['cache-control']).toBe('no-store');
    expect(response.body).toMatchObject({
      status: 'ready',
      checks: { postgres: { ok: true, detail: 'skew 2 ms' } },
    });
    const { schema } = operations.getReady.responses[200];
    expect(validateValue(schema, response.body, { convert: false }).ok).toBe(true);
  });

  it('is 503 when a required check fails, throws, or throws at once', async () => {
    for (const check of [
      () => Promise.resolve({ ok: false }),
      () => Promise.reject(new Error('postgres://user:password@host')),
      () => {
        throw new Error('at once');
      },
    ]) {
      const response = await request(appWith(passing, { name: 'other', check })).get('/ready');
      expect(response.status).toBe(503);
      expect(response.body).toMatchObject({
        status: 'not_ready',
        checks: { postgres: { ok: true }, other: { ok: false } },
      });
      expect(response.text).not.toContain('password');
    }
  });

  it('does not wait for a check that hangs', async () => {
    const hanging: ReadyCheck = { name: 'redis', check: () => new Promise(() => undefined) };
    expect((await request(appWith(hanging, passing)).get('/ready')).body).toMatchObject({
      status: 'not_ready',
      checks: { redis: { ok: false, detail: 'no answer within 2000 ms' } },
    });
  });

  it('stays 200 when only checks fail that are not required', async () => {
    const response = await request(
      appWith(passing, { name: 'redis', required: false, check: () => Promise.resolve({ ok: false }) }),
    ).get('/ready');
    expect([response.status, (response.body as { status: string }).status]).toEqual([200, 'degraded']);
  });
});

describe('/openapi.json', () => {
  it('is the document of this version, readable from other origins', async () => {
    const response = await request(appWith()).get('/openapi.json');
    expect(response.body).toMatchObject({ openapi: '3.1.1', info: { version: '9.9.9' } });
    expect(response.headers['access-control-allow-origin']).toBe('*');
  });
});

describe('/docs', () => {
  it('is a page without scripts that loads nothing, its style sheet allowed by its hash', async () => {
    const { headers, text } = await request(appWith()).get('/docs');
    expect(headers['content-type']).toBe('text/html; charset=utf-8');
    expect(text).not.toMatch(/<script|<link|<img|\bsrc=|@import|url\(|https?:\/\/(?!(?:\w+\.)?example\.com)/);
    const style = /<style>([\s\S]*?)<\/style>/.exec(text)?.[1] ?? '';
    const hash = createHash('sha256').update(style).digest('base64');
    expect(headers['content-security-policy']).toBe(
      `default-src 'none'; style-src 'sha256-${hash}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`,
    );
  });

  it('has a place for every operation, schema and problem code, and every link in it leads somewhere', async () => {
    const { text } = await request(appWith()).get('/docs');
    const ids = new Set([...text.matchAll(/ id="([^"]+)"/g)].map(([, id]) => id));
    const links = [...text.matchAll(/ href="#([^"]+)"/g)].map(([, id]) => id);
    expect(links.filter((id) => !ids.has(id))).toEqual([]);
    for (const { operationId } of Object.values(operations))
      expect(ids).toContain(`operation-${operationId}`);
    expect(ids).toContain('problem-replay_in_progress');
    expect(ids).toContain('schema-Delivery');
    expect(ids).toContain('event-posthorn.endpoint.disabled');
    // Each says how to ask for it, and what comes back.
    expect(text.match(/<pre>curl /g)).toHaveLength(Object.keys(operations).length);
    expect(text).toContain('&quot;healthScore&quot;: 100');
  });
});
