import { createServer, type AddressInfo, type Server } from 'node:net';
import { createTestDatabase, testRedis, type TestDatabase } from '@posthorn/testing';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';

import { portProblem } from './port-problem.js';
import { postgresProblem, redisProblem } from './service-problem.js';

let database: TestDatabase;
let silent: Server;
let silentPort: number;

beforeAll(async () => {
  database = await createTestDatabase();
  silent = createServer(() => undefined);
  await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
  silentPort = (silent.address() as AddressInfo).port;
});
afterAll(async () => {
  silent.close();
  await database.drop();
});

describe('Looking at DATABASE_URL', () => {
  it('finds nothing wrong with a Postgres that lets us in', async () => {
    expect(await postgresProblem(database.url)).toBeNull();
  });

  it('tells a wrong password and a missing database from a server that is not there, and shows no password', async () => {
    const wrongPassword = new URL(database.url);
    wrongPassword.password = 'hunter2';
    const wrongName = new URL(database.url);
    wrongName.pathname = '/no_such_database';
    const problems = await Promise.all([
      postgresProblem(wrongPassword.href),
      postgresProblem(wrongName.href),
      postgresProblem('postgresql://user:hunter2@127.0.0.1:1/posthorn'),
      postgresProblem('postgresql://user:hunter2@no-such-host.invalid/posthorn'),
    ]);
    expect(problems.map((problem) => problem?.kind)).toEqual(['wrong', 'wrong', 'down', 'down']);
    expect(problems.map((problem) => problem?.line)).toEqual([
      expect.stringContaining('password authentication failed'),
      expect.stringContaining('"no_such_database" does not exist'),
      expect.stringContaining('nothing listens at 127.0.0.1:1'),
      expect.stringContaining('no-such-host.invalid cannot be found'),
    ]);
    for (const problem of problems) expect(problem?.line).not.toMatch(/hunter2|\n/);
  });

  it('does not wait for long for something that never answers', async () => {
    const problem = await postgresProblem(`postgresql://user@127.0.0.1:${silentPort}/posthorn`);
    expect(problem).toEqual({
      kind: 'down',
      line: expect.stringContaining('no Postgres answers') as unknown as string,
    });
  });
});

describe('Looking at REDIS_URL', () => {
  it('finds nothing wrong with a Redis that lets us in', async () => {
    expect(await redisProblem(testRedis().url)).toBeNull();
  });

  it('tells a wrong password from a server that is not there, and shows no password', async () => {
    const wrongPassword = new URL(testRedis().url);
    wrongPassword.password = 'hunter2';
    const noPassword = new URL(testRedis().url);
    noPassword.password = '';
    const problems = await Promise.all([
      redisProblem(wrongPassword.href),
      redisProblem(noPassword.href),
      redisProblem('redis://:hunter2@127.0.0.1:1'),
      redisProblem(`redis://127.0.0.1:${silentPort}`),
    ]);
    expect(problems.map((problem) => problem?.kind)).toEqual(['wrong', 'wrong', 'down', 'down']);
    for (const problem of problems) expect(problem?.line).not.toMatch(/hunter2|\n/);
  });
});

describe('Looking at a port', () => {
  it('finds a taken one, and a host that is not ours, and leaves a free one free', async () => {
    expect(await portProblem({ host: '127.0.0.1', port: silentPort })).toMatch(
      new RegExp(`^Port ${silentPort} is in use: .*POSTHORN_PORT`),
    );
    expect(await portProblem({ host: '192.0.2.1', port: 0 })).toMatch(/^POSTHORN_HOST must be/);
    expect(await portProblem({ host: '127.0.0.1', port: 0 })).toBeNull();
  });
});
