import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { createTestDatabase, type TestDatabase } from '@posthorn/testing';
import { type Agent, startTestConsole, type TestConsole } from './test-support/test-console.js';

const LINKS = '/v1/customers/acme/portal-links';
const SESSION = '/v1/portal/session';
const unknownToken = (prefix: string) => `${prefix}_${'x'.repeat(43)}`;

let testDatabase: TestDatabase;
let app: TestConsole;

beforeAll(async () => {
  testDatabase = await createTestDatabase();
  app = await startTestConsole(testDatabase.url);
});
afterAll(async () => {
  await app.close();
  await testDatabase.drop();
});
beforeEach(async () => {
  await app.clear();
  await app.putCustomer('acme');
  await app.putCustomer('other');
});

const tokenIn = (url: string) => new URL(url).hash.replace('#token=', '');
const makeLink = async () => (await app.admin.post(LINKS).expect(201)).body;
const openSession = async (): Promise<{ id: string; token: string; portal: Agent }> => {
  const { id, url } = await makeLink();
  const { token } = (
    await app.anyone
      .post(SESSION)
      .send({ token: tokenIn(url) })
      .expect(201)
  ).body;
  return { id, token, portal: app.as(token) };
};

describe('a portal link', () => {
  it('carries its token in the fragment of a URL where the request was sent to, and nothing keeps the token', async () => {
    const { headers, body } = await app.admin
      .post(LINKS)
      .set('Host', 'hooks.example.com:8443')
      .set('X-Forwarded-Proto', 'https')
      .send({ expiresInSeconds: 120 })
      .expect(201);
    expect(body).toEqual({
      id: expect.stringMatching(/^plk_[0-9a-z]{26}$/),
      url: expect.stringMatching(/^https:\/\/hooks\.example\.com:8443\/portal#token=phl_[A-Za-z0-9_-]{43}$/),
      expiresAt: expect.stringMatching(/Z$/),
    });
    const { rows } = await app.database.pool.query<{ seconds: number; row: string }>(
      'SELECT extract(epoch FROM expires_at - created_at)::float AS seconds, l::text AS row FROM portal_link l',
    );
    expect(rows[0]!.seconds).toBeCloseTo(120, 0);
    expect(rows[0]!.row).not.toContain(tokenIn(body.url));
    expect(headers).toMatchObject({ 'cache-control': 'no-store', 'referrer-policy': 'no-referrer' });
  });

  it('starts with the public URL where one is set, whatever the request says', async () => {
    const console = await startTestConsole(testDatabase.url, { publicUrl: 'https://public.example/hooks' });
    try {
      const { body } = await console.admin.post(LINKS).set('Host', 'evil.example').expect(201);
      expect(body.url).toMatch(/^https:\/\/public\.example\/hooks\/portal#token=phl_/);
    } finally {
      await console.close();
    }
  });

  it('is not made from a Host header that is none, nor for a customer that is not there', async () => {
    for (const host of ['a.example/x?y', 'a.example#', 'user@a.example', 'a.example:99999']) {
      await app.admin.post(LINKS).set('Host', host).expect(400);
    }
    const { body } = await app.admin.post(LINKS).set('Host', 'Hooks.Example.COM:8443').expect(201);
    expect(body.url).toMatch(/^http:\/\/hooks\.example\.com:8443\/portal#token=/);
    await app.admin.post('/v1/customers/nobody/portal-links').expect(404);
    for (const expiresInSeconds of [29, 86_401, 1.5, '60']) {
      await app.admin.post(LINKS).send({ expiresInSeconds }).expect(400);
    }
    const restricted = app.as(await app.createKey(['admin'], 'other'));
    await restricted.post(LINKS).expect(404);
    await restricted.delete(LINKS).expect(404);
    await restricted.post('/v1/customers/other/portal-links').expect(201);
  });

  it('is the same for a repeat with the same Idempotency-Key', async () => {
    const make = () => app.admin.post(LINKS).set('Idempotency-Key', 'one').expect(201);
    const { body } = await make();
    expect((await make()).body).toEqual(body);
    const { rows } = await app.database.pool.query<{ sealed: Buffer }>(
      'SELECT sealed FROM idempotent_answer',
    );
    expect(rows[0]!.sealed.toString('latin1')).not.toContain(tokenIn(body.url));
  });

  it('opens once: of many at the same moment only one gets a session', async () => {
    const token = tokenIn((await makeLink()).url);
    const answers = await Promise.all(
      Array.from({ length: 20 }, () => app.anyone.post(SESSION).send({ token })),
    );
    const opened = answers.filter(({ body }) => 'token' in body);
    expect(opened).toHaveLength(1);
    expect(opened[0]!.headers).toMatchObject({
      'cache-control': 'no-store',
      'referrer-policy': 'no-referrer',
    });
    for (const { body } of answers.filter((answer) => answer !== opened[0]))
      expect(body.code).toBe('unauthorized');
    const refused = await app.anyone.post(SESSION).send({ token }).expect(401);
    expect(refused.headers['cache-control']).toBe('no-store');
    await app.as(opened[0]!.body.token).get(SESSION).expect(200);
  });

  it('opens nothing once it is too old, revoked, of an erased customer, or made up', async () => {
    const late = tokenIn((await makeLink()).url);
    await app.database.pool.query("UPDATE portal_link SET expires_at = now() - interval '1 second'");
    await app.anyone.post(SESSION).send({ token: late }).expect(401);
    const revoked = tokenIn((await makeLink()).url);
    const ofOther = async () =>
      tokenIn((await app.admin.post('/v1/customers/other/portal-links').expect(201)).body.url);
    const [left, kept] = [await ofOther(), await ofOther()];
    await app.admin.delete(LINKS).expect(204);
    await app.admin.delete(LINKS).expect(204);
    // Another customer's are still good.
    await app.anyone.post(SESSION).send({ token: kept }).expect(201);
    await app.database.pool.query("UPDATE customer SET erased_at = now() WHERE id = 'other'");
    for (const token of [revoked, left, unknownToken('phl')]) {
      const { body } = await app.anyone.post(SESSION).send({ token }).expect(401);
      expect(body.code).toBe('unauthorized');
      expect(JSON.stringify(body)).not.toContain(token);
    }
    await app.anyone.post(SESSION).send({ token: 'phl_short' }).expect(400);
    await app.anyone.post(SESSION).expect(415);
    await app.admin.delete('/v1/customers/other/portal-links').expect(404);
    await app.admin.post('/v1/customers/other/portal-links').expect(404);
  });
});

describe('a portal session', () => {
  it('knows its customer and its end, and is kept as a hash only', async () => {
    const { token, portal } = await openSession();
    expect(token).toMatch(/^phs_[A-Za-z0-9_-]{43}$/);
    const { body } = await portal.get(SESSION).expect(200);
    expect(body).toEqual({ customerId: 'acme', expiresAt: expect.stringMatching(/Z$/) });
    const leftMs = Date.parse(body.expiresAt) - Date.now();
    expect(Math.abs(leftMs - 3_600_000)).toBeLessThan(120_000);
    const { rows } = await app.database.pool.query<{ row: string }>(
      'SELECT l::text AS row FROM portal_link l',
    );
    expect(rows[0]!.row).not.toContain(token);
    await app.admin.get(SESSION).expect(403);
    await app.as(unknownToken('phs')).get(SESSION).expect(401);
  });

  it.each<[string, (portal: Agent) => Promise<unknown>]>([
    ['it ends itself', (portal) => portal.delete(SESSION).expect(204)],
    ['it is revoked', () => app.admin.delete(LINKS).expect(204)],
    ['its customer is erased', () => app.admin.delete('/v1/customers/acme').expect(200)],
    [
      'the erasure of its customer has begun',
      () => app.database.pool.query("UPDATE customer SET erased_at = now() WHERE id = 'acme'"),
    ],
    [
      'its time is up',
      () =>
        app.database.pool.query("UPDATE portal_link SET session_expires_at = now() - interval '1 second'"),
    ],
  ])('is over at once when %s', async (_what, end) => {
    const { portal } = await openSession();
    await portal.get('/v1/events').expect(200);
    await end(portal);
    expect((await portal.get('/v1/events').expect(401)).body.code).toBe('unauthorized');
    await portal.get(SESSION).expect(401);
  });

  it('manages its own endpoints and sees no other customer’s', async () => {
    const { portal } = await openSession();
    const settings = { url: 'https://acme.example/hook' };
    const { body: made } = await portal.post('/v1/customers/acme/endpoints').send(settings).expect(201);
    expect(made.secret).toMatch(/^whsec_/);
    await portal.patch(`/v1/endpoints/${made.id}`).send({ description: 'ours' }).expect(200);
    await portal.delete(`/v1/endpoints/${made.id}`).expect(204);

    const foreign = (await app.admin.post('/v1/customers/other/endpoints').send(settings).expect(201)).body;
    const notThere = 'ep_01h455vb4pex5vsknk084sn02q';
    const answers = [];
    for (const id of [foreign.id, notThere])
      answers.push((await portal.get(`/v1/endpoints/${id}`).expect(404)).body);
    expect({ ...answers[0], requestId: '' }).toEqual({ ...answers[1], requestId: '' });
    await portal.post('/v1/customers/other/endpoints').send(settings).expect(404);
  });

  it('lowers limits of its endpoints, and never raises them', async () => {
    const { portal } = await openSession();
    const settings = { url: 'https://acme.example/hook', rateLimit: { max: 10, perSeconds: 1 } };
    const { body: made } = await app.admin.post('/v1/customers/acme/endpoints').send(settings).expect(201);
    const patch = (body: object) => portal.patch(`/v1/endpoints/${made.id}`).send(body);
    await patch({ maxInFlight: 3, rateLimit: { max: 5 } }).expect(200);
    for (const body of [
      { maxInFlight: 4 },
      { maxInFlight: null },
      { rateLimit: { max: 6 } },
      { rateLimit: null },
    ]) {
      const refused = await patch(body).expect(403);
      expect(refused.body).toMatchObject({ code: 'forbidden', errors: [{ path: Object.keys(body)[0] }] });
    }
    const stored = await app.admin.get(`/v1/endpoints/${made.id}`).expect(200);
    expect(stored.body).toMatchObject({ maxInFlight: 3, rateLimit: { max: 5, perSeconds: 1 } });
    await portal
      .post('/v1/customers/acme/endpoints')
      .send({ ...settings, maxInFlight: 11 })
      .expect(403);
    await app.admin.patch(`/v1/endpoints/${made.id}`).send({ maxInFlight: 50 }).expect(200);
  });

  it('sees its customer without the operator’s metadata', async () => {
    await app.admin
      .put('/v1/customers/acme')
      .send({ name: 'Acme', metadata: { risk: 'high' } })
      .expect(200);
    const { portal } = await openSession();
    const seen = await app.admin.get('/v1/customers/acme').expect(200);
    expect((await portal.get('/v1/customers/acme').expect(200)).body).toEqual({ ...seen.body, metadata: {} });
    expect(seen.body).toMatchObject({ metadata: { risk: 'high' } });
    await portal.get('/v1/customers/other').expect(404);
  });

  it('is named in the audit log by its link, whose entry says who made it', async () => {
    const { id, portal } = await openSession();
    const { body: endpoint } = await portal
      .post('/v1/customers/acme/endpoints')
      .set('User-Agent', 'browser/1')
      .send({ url: 'https://acme.example/hook' })
      .expect(201);
    await portal.delete(SESSION).expect(204);
    const { data } = (await app.admin.get('/v1/audit-log?customerId=acme').expect(200)).body;
    const who = (entry: { operation: string; keyId: string | null; portalLinkId: string }) => [
      entry.operation,
      entry.keyId === null ? 'portal' : 'key',
      entry.portalLinkId,
    ];
    expect(data.slice(0, 4).map(who)).toEqual([
      ['endPortalSession', 'portal', id],
      ['createEndpoint', 'portal', id],
      ['openPortalSession', 'portal', id],
      ['createPortalLink', 'key', null],
    ]);
    expect(data[1]).toMatchObject({
      target: { customerId: 'acme', id: endpoint.id },
      userAgent: 'browser/1',
    });
    expect(data[3]).toMatchObject({ target: { customerId: 'acme', id } });
    expect(JSON.stringify(data)).not.toMatch(/phl_|phs_/);
    const byLink = (await app.admin.get(`/v1/audit-log?portalLinkId=${id}`).expect(200)).body.data;
    expect(byLink).toEqual(data.slice(0, 3));
  });
});
