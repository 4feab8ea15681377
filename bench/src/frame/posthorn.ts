import { deployMigrations, ensurePartitions } from '@posthorn/database';
import { findFreePort } from '@posthorn/embedded';
import { spawn, type ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { request } from 'undici';

import { endChild, killAtExit } from './child-process.js';
import type { Contestant, EndpointToAdd } from './contestant.js';
import { inParallel } from './in-parallel.js';
import type { Stage } from './stage.js';

const ROOT = path.resolve(import.meta.dirname, '../../..');
const DAY_MS = 86_400_000;
const REQUESTS_AT_ONCE = 8;

export interface PosthornOptions {
  workers?: number;
  /** Daily partitions present in all, today's included; 35 is what a month's retention keeps. */
  partitionDays?: number;
  env?: Record<string, string>;
}

export interface Posthorn extends Contestant {
  console: { origin: string; pid: number };
  databaseUrl: string;
  /** Asks its management API; throws for anything but a 2xx. */
  call<Answer>(method: Method, path: string, body?: object): Promise<Answer>;
}

type Method = 'GET' | 'PUT' | 'POST' | 'PATCH' | 'DELETE';

/** The whole of Posthorn as it runs in production, each role a process. */
export async function startPosthorn(
  stage: Stage,
  { workers = 1, partitionDays = 35, env = {} }: PosthornOptions = {},
): Promise<Posthorn> {
  const { url, pool } = await stage.createDatabase('posthorn_bench');
  await deployMigrations(url, path.join(ROOT, 'prisma/migrations'));
  for (let day = Math.max(0, partitionDays - 15); day > 0; day -= 10)
    await ensurePartitions(pool, { nowMs: Date.now() - day * DAY_MS });
  await ensurePartitions(pool, { nowMs: Date.now() });

  const apiKey = `phk_${randomBytes(24).toString('base64url')}`;
  const common = {
    POSTHORN_LOG_LEVEL: 'error',
    ...env,
    DATABASE_URL: url,
    REDIS_URL: stage.redisUrl,
    POSTHORN_ADMIN_KEY: apiKey,
    POSTHORN_ENCRYPTION_KEYS: `bench:${randomBytes(32).toString('base64')}`,
    POSTHORN_ALLOW_TARGETS: '127.0.0.0/8',
    POSTHORN_API_REQUESTS_PER_SECOND: '0',
    POSTHORN_HOST: '127.0.0.1',
  };
  const start = async (role: string) => {
    const port = await findFreePort();
    const child = spawn(process.execPath, [path.join(ROOT, 'apps/cli/dist/main.js'), 'serve', role], {
      cwd: stage.folder,
      env: { PATH: process.env['PATH'], ...common, POSTHORN_PORT: String(port) },
      stdio: ['ignore', 'inherit', 'inherit'],
    });
    killAtExit(child);
    stage.onStop(() => endChild(child));
    const origin = `http://127.0.0.1:${port}`;
    await untilReady(origin, child);
    return { origin, pid: child.pid ?? 0, stop: () => endChild(child) };
  };
  const consoleRole = await start('console');
  const ingest = await start('ingest');
  const running: { pid: number; stop(): Promise<void> }[] = [];
  const startWorkers = async (): Promise<void> => {
    while (running.length < workers) running.push(await start('worker'));
  };
  await startWorkers();

  return {
    name: 'posthorn',
    ingest,
    console: consoleRole,
    workers: running,
    startWorkers,
    async stopWorkers() {
      await Promise.all(running.splice(0).map(({ stop }) => stop()));
    },
    apiKey,
    databaseUrl: url,
    pool,
    call: <Answer>(method: Method, where: string, body?: object) =>
      callApi(`${consoleRole.origin}${where}`, method, apiKey, body) as Promise<Answer>,
    addEndpoints: (endpoints) => addEndpoints(consoleRole.origin, apiKey, endpoints),
  };
}

async function addEndpoints(
  origin: string,
  key: string,
  endpoints: readonly EndpointToAdd[],
): Promise<string[]> {
  const customers = [...new Set(endpoints.map(({ customerId }) => customerId))];
  await inParallel(customers, REQUESTS_AT_ONCE, (id) =>
    callApi(`${origin}/v1/customers/${id}`, 'PUT', key, {}),
  );
  return inParallel(endpoints, REQUESTS_AT_ONCE, async ({ customerId, url, settings }) => {
    const body = { url, eventTypes: ['*'], ...settings };
    const made = await callApi(`${origin}/v1/customers/${customerId}/endpoints`, 'POST', key, body);
    return (made as { id: string }).id;
  });
}

async function callApi(url: string, method: Method, key: string, body?: object): Promise<unknown> {
  const response = await request(url, {
    method,
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
    body: body === undefined ? null : JSON.stringify(body),
  });
  const text = await response.body.text();
  if (response.statusCode >= 300) throw new Error(`${method} ${url}: ${response.statusCode} ${text}`);
  return text === '' ? null : JSON.parse(text);
}

async function untilReady(origin: string, child: ChildProcess): Promise<void> {
  for (let tries = 0; tries < 300; tries += 1) {
    if (child.exitCode !== null) throw new Error(`A role ended with exit code ${child.exitCode}`);
    const ready = await fetch(`${origin}/ready`).catch(() => undefined);
    if (ready?.ok) return;
    await pause(100);
  }
  throw new Error(`${origin} is not ready`);
}
