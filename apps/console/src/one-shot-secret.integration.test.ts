import { type Operation, operations, validateValue } from '@posthorn/api-contract';
import { generateSigningSecret } from '@posthorn/domain';
import { createTestDatabase, type TestDatabase } from '@posthorn/testing';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';

import { startTestConsole, type TestConsole } from './test-support/test-console.js';

const path = '/v1/customers/acme/one-shot-secret';

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

const expectDocumented = ({ responses }: Pick<Operation, 'responses'>, body: unknown) => {
  const { schema } = responses[200]!;
  expect(validateValue(schema!, body, { convert: false }).ok).toBe(true);
};
const listed = async () => {
  const { body } = await app.admin.get(path).expect(200);
  expectDocumented(operations.getOneShotSecret, body);
  return body.secrets;
};
const rotate = async (rotation: object = {}) => {
  const { body } = await app.admin.post(`${path}/rotate`).send(rotation).expect(200);
  expectDocumented(operations.rotateOneShotSecret, body);
  return body;
};

describe('the one-shot secret of a customer', () => {
  it('is rotated once by requests with the same Idempotency-Key', async () => {
    const repeat = () => app.admin.post(`${path}/rotate`).set('Idempotency-Key', 'once').expect(200);
    const [first, second] = [await repeat(), await repeat()];
    expect(second.body).toEqual(first.body);
    expect(second.headers['idempotent-replayed']).toBe('true');
    expect(await listed()).toHaveLength(1);
  });

  it('is shown by a rotation and nowhere else; the one before signs along, a day unless told', async () => {
    expect(await listed()).toEqual([]);
    const first = await rotate();
    expect(first).toMatchObject({ secret: expect.stringMatching(/^whsec_/), previousExpiresAt: null });
    const second = await rotate({ overlapSeconds: 60 });
    expect(second.secret).not.toBe(first.secret);
    const overlapMs = Date.parse(second.previousExpiresAt) - Date.parse(second.createdAt);
    expect(Math.abs(overlapMs - 60_000)).toBeLessThan(30_000);
    const secrets = await listed();
    expect(secrets).toEqual([
      { createdAt: second.createdAt, expiresAt: null },
      { createdAt: first.createdAt, expiresAt: second.previousExpiresAt },
    ]);
    await rotate({ overlapSeconds: 0 });
    expect(await listed()).toHaveLength(1);
    const { rows } = await app.database.pool.query<{ n: number }>(
      'SELECT count(*)::int AS n FROM one_shot_secret WHERE position($1::bytea IN sealed) > 0',
      [Buffer.from(first.secret)],
    );
    expect(rows).toEqual([{ n: 0 }]);
  });

  it('can be one’s own, if it is one', async () => {
    const secret = generateSigningSecret();
    expect((await rotate({ secret })).secret).toBe(secret);
    for (const bad of ['whsec_c2hvcnQ=', 'secret', '']) {
      await app.admin.post(`${path}/rotate`).send({ secret: bad }).expect(400);
    }
    expect(await listed()).toHaveLength(1);
  });

  it('has four that sign along at most', async () => {
    for (let n = 0; n < 5; n += 1) await rotate();
    const { body } = await app.admin.post(`${path}/rotate`).send({}).expect(409);
    expect(body.code).toBe('conflict');
    await rotate({ overlapSeconds: 0 });
    expect(await listed()).toHaveLength(1);
  });

  it('is its customer’s and an admin’s, and a change of it is in the audit log', async () => {
    await app.putCustomer('other');
    const [own, others, reader] = [
      await app.createKey(['admin'], 'acme'),
      await app.createKey(['admin'], 'other'),
      await app.createKey(['read']),
    ];
    await app.as(own).post(`${path}/rotate`).expect(200);
    await app.as(own).get(path).expect(200);
    await app.as(others).post(`${path}/rotate`).expect(404);
    await app.as(others).get(path).expect(404);
    await app.as(reader).get(path).expect(403);
    await app.anyone.post(`${path}/rotate`).expect(401);
    await app.admin.get('/v1/customers/nobody/one-shot-secret').expect(404);
    await app.admin.post('/v1/customers/nobody/one-shot-secret/rotate').expect(404);
    const { body } = await app.admin.get('/v1/audit-log').expect(200);
    expect(body.data[0]).toMatchObject({ operation: 'rotateOneShotSecret', customerId: 'acme', members: [] });
  });
});
