import { decodeId, type Signing, signRequest } from '@posthorn/domain';
import { createTestDatabase, type TestDatabase } from '@posthorn/testing';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { startTestConsole, type Agent, type TestConsole } from './test-support/test-console.js';

const unknownId = 'ep_01h455vb4pex5vsknk084sn02q';
const body = '{"id":"evt_1","data":{"name":"Zoë","n":1.0}}';

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
});

async function create(signing: Signing = { scheme: 'standard' }): Promise<{ id: string; secret: string }> {
  const url = 'https://acme.example/hooks';
  return (await app.admin.post('/v1/customers/acme/endpoints').send({ url, signing }).expect(201)).body;
}

const nowSeconds = () => Math.floor(Date.now() / 1000);
const sign = (signing: Signing, secrets: string[], timestampSeconds = nowSeconds()) =>
  signRequest(signing, { id: 'evt_1', timestampSeconds, body, secrets });

async function verify(question: object, agent: Agent = app.admin): Promise<unknown> {
  return (
    await agent
      .post('/v1/signatures/verify')
      .send({ body, ...question })
      .expect(200)
  ).body;
}

describe('POST /v1/signatures/verify', () => {
  const signings: Signing[] = [
    { scheme: 'standard' },
    { scheme: 'timestamped' },
    { scheme: 'digest', algorithm: 'sha256' },
    { scheme: 'digest', algorithm: 'sha512' },
  ];

  it.each(signings)('accepts what an endpoint with %j gets, and says why it does not', async (signing) => {
    const { id: endpointId, secret } = await create(signing);
    const headers = { 'content-type': 'application/json', ...sign(signing, [secret]) };
    expect(await verify({ endpointId, headers })).toEqual({ valid: true });

    const refused = (reason: string) => ({ valid: false, reason, detail: expect.any(String) });
    const other = `whsec_${Buffer.alloc(32, 7).toString('base64')}`;
    expect(await verify({ endpointId, headers: sign(signing, [other]) })).toEqual(
      refused('no_matching_signature'),
    );
    expect(await verify({ endpointId, headers, body: `${body}\n` })).toEqual(
      refused('no_matching_signature'),
    );
    expect(await verify({ endpointId, headers: sign(signing, [secret], nowSeconds() - 900) })).toEqual(
      refused('timestamp_too_old'),
    );
    expect(await verify({ endpointId, headers: sign(signing, [secret], nowSeconds() + 900) })).toEqual(
      refused('timestamp_too_new'),
    );
    expect(await verify({ endpointId, headers: {} })).toEqual(refused('missing_header'));
    const name = Object.keys(headers).find((key) => key.endsWith('signature'))!;
    expect(await verify({ endpointId, headers: { ...headers, [name]: 'nonsense' } })).toEqual(
      refused('malformed_signature'),
    );
  });

  it('reads headers in any case, and lists of values', async () => {
    const { id: endpointId, secret } = await create();
    const headers = Object.entries(sign({ scheme: 'standard' }, [secret]));
    const shouted = Object.fromEntries(headers.map(([name, value]) => [name.toUpperCase(), [value]]));
    expect(await verify({ endpointId, headers: shouted })).toEqual({ valid: true });
  });

  it('knows the secret before as long as it signs along, and no longer', async () => {
    const { id: endpointId, secret } = await create();
    const headers = sign({ scheme: 'standard' }, [secret]);
    const rotate = (overlapSeconds: number) =>
      app.admin.post(`/v1/endpoints/${endpointId}/secret/rotate`).send({ overlapSeconds }).expect(200);
    await rotate(3600);
    expect(await verify({ endpointId, headers })).toEqual({ valid: true });
    await rotate(0);
    expect(await verify({ endpointId, headers })).toMatchObject({ reason: 'no_matching_signature' });
  });

  it('takes a payload of the size that is accepted', async () => {
    const { id: endpointId, secret } = await create();
    const large = JSON.stringify({ text: '"'.repeat(120_000) });
    const headers = signRequest(
      { scheme: 'standard' },
      { id: 'evt_1', timestampSeconds: nowSeconds(), body: large, secrets: [secret] },
    );
    expect(await verify({ endpointId, headers, body: large })).toEqual({ valid: true });
  });

  it('never says anything about an endpoint that is not the caller’s, deleted or not there', async () => {
    const { id: endpointId, secret } = await create();
    const headers = sign({ scheme: 'standard' }, [secret]);
    const ask = (agent: Agent, id: string) =>
      agent.post('/v1/signatures/verify').send({ endpointId: id, headers, body });
    await app.putCustomer('other');
    const own = app.as(await app.createKey(['admin'], 'acme'));
    const others = app.as(await app.createKey(['admin'], 'other'));
    expect(await verify({ endpointId, headers }, own)).toEqual({ valid: true });
    await ask(others, endpointId).expect(404);
    await ask(app.admin, unknownId).expect(404);
    await ask(app.as(await app.createKey(['read'])), endpointId).expect(403);
    await ask(app.anyone, endpointId).expect(401);
    await app.database.pool.query('UPDATE endpoint SET deleted_at = now() WHERE id = $1', [
      decodeId('ep', endpointId),
    ]);
    await ask(app.admin, endpointId).expect(404);
  });

  it.each([
    ['no endpoint', { headers: {}, body }, 'endpointId'],
    ['no headers', { endpointId: unknownId, body }, 'headers'],
    ['no body', { endpointId: unknownId, headers: {} }, 'body'],
    ['a parsed body', { endpointId: unknownId, headers: {}, body: {} }, 'body'],
    ['a header that is a number', { endpointId: unknownId, headers: { a: 1 }, body }, 'headers.a'],
  ])('refuses %s', async (_what, question, path) => {
    const refused = await app.admin.post('/v1/signatures/verify').send(question).expect(400);
    expect(refused.body).toMatchObject({ code: 'invalid_request', errors: [{ path }] });
  });
});
