import { findFreePort, waitUntil } from '@posthorn/testing';
import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import os from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';

const MAIN = path.resolve(import.meta.dirname, '../../../apps/cli/dist/main.js');

export interface PosthornOptions {
  databaseUrl: string;
  redisUrl: string;
  roles?: string[];
  env?: Record<string, string>;
  /** What `/ready` says when the process is up; 503 where a service is away on purpose. Default 200. */
  readyStatus?: number;
}

export interface Posthorn {
  origin: string;
  adminKey: string;
  env: Record<string, string>;
  process: ChildProcess;
  /** What it printed so far, both streams. */
  output(): string;
  /** One JSON call with the admin key. */
  call<T = Record<string, unknown>>(
    method: string,
    path: string,
    body?: unknown,
    headers?: Record<string, string>,
  ): Promise<Answer<T>>;
  /** SIGTERM; resolves with the exit code. */
  stop(): Promise<number | null>;
  kill(): Promise<void>;
}

export interface Answer<T> {
  status: number;
  headers: Headers;
  body: T;
}

/** Applies the migrations and makes the partitions. */
export async function prepareDatabase(databaseUrl: string): Promise<void> {
  await promisify(execFile)(process.execPath, [MAIN, 'migrate'], {
    env: { PATH: process.env['PATH'], DATABASE_URL: databaseUrl },
  });
}

/** Starts `posthorn serve` as its own process, from the build, and resolves when it is ready. */
export async function startPosthorn(options: PosthornOptions): Promise<Posthorn> {
  const port = options.env?.['POSTHORN_PORT'] ?? String(await findFreePort());
  const adminKey = options.env?.['POSTHORN_ADMIN_KEY'] ?? `phk_${randomBytes(24).toString('base64url')}`;
  const env: Record<string, string> = {
    PATH: process.env['PATH'] ?? '',
    DATABASE_URL: options.databaseUrl,
    REDIS_URL: options.redisUrl,
    POSTHORN_PORT: port,
    POSTHORN_HOST: '127.0.0.1',
    POSTHORN_ADMIN_KEY: adminKey,
    POSTHORN_ENCRYPTION_KEYS: `test:${randomBytes(32).toString('base64')}`,
    POSTHORN_ALLOW_TARGETS: '127.0.0.0/8',
    POSTHORN_QUEUE_PREFIX: `{e2e-${randomBytes(4).toString('hex')}}`,
    POSTHORN_SWEEP_INTERVAL_MS: '500',
    POSTHORN_SWEEP_GRACE_MS: '1000',
    POSTHORN_LOG_LEVEL: 'debug',
    // Tests look as often as they like.
    POSTHORN_API_REQUESTS_PER_SECOND: '0',
    ...options.env,
  };
  const child = spawn(process.execPath, ['--enable-source-maps', MAIN, 'serve', ...(options.roles ?? [])], {
    cwd: os.tmpdir(),
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (output += chunk.toString()));
  const origin = `http://127.0.0.1:${port}`;
  await waitUntil(
    async () => {
      if (child.exitCode !== null) throw new Error(`posthorn ended with ${child.exitCode}:\n${output}`);
      return (await fetch(`${origin}/ready`).catch(() => undefined))?.status === (options.readyStatus ?? 200);
    },
    { timeoutMs: 120_000 },
  );

  return {
    origin,
    adminKey,
    env,
    process: child,
    output: () => output,
    async call<T>(method: string, target: string, body?: unknown, headers: Record<string, string> = {}) {
      const response = await fetch(origin + target, {
        method,
        headers: {
          authorization: `Bearer ${adminKey}`,
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
          ...headers,
        },
        body: body === undefined ? undefined : typeof body === 'string' ? body : JSON.stringify(body),
      });
      const text = await response.text();
      return {
        status: response.status,
        headers: response.headers,
        body: (text === '' ? undefined : JSON.parse(text)) as T,
      };
    },
    stop: () => end(child, 'SIGTERM'),
    async kill() {
      await end(child, 'SIGKILL');
    },
  };
}

export interface DeliveryView {
  id: string;
  eventId: string;
  status: string;
  reason: string | null;
  attempts: number;
  nextAttemptAt: string | null;
  lastResponseCode: number | null;
}

/** A customer with one endpoint. */
export async function addEndpoint(
  posthorn: Posthorn,
  customerId: string,
  endpoint: Record<string, unknown> & { url: string },
): Promise<{ id: string; secret: string }> {
  await expectStatus(posthorn.call('PUT', `/v1/customers/${customerId}`, {}), 200, 201);
  const { body } = await expectStatus(
    posthorn.call<{ id: string; secret: string }>('POST', `/v1/customers/${customerId}/endpoints`, {
      eventTypes: ['*'],
      ...endpoint,
    }),
    201,
  );
  return body;
}

/** Posts one event and returns its id. */
export async function postEvent(
  posthorn: Posthorn,
  customerId: string,
  headers: Record<string, string> = {},
): Promise<string> {
  const event = { customerId, type: 'invoice.paid', data: { amount: 1 } };
  const { body } = await expectStatus(
    posthorn.call<{ id: string }>('POST', '/v1/events', event, headers),
    202,
  );
  return body.id;
}

/** Posts so many events in batches. */
export async function postEvents(posthorn: Posthorn, customerId: string, count: number): Promise<void> {
  for (let left = count; left > 0; left -= 100) {
    const events = Array.from({ length: Math.min(left, 100) }, (_, n) => ({
      customerId,
      type: 'invoice.paid',
      data: { n },
    }));
    await expectStatus(posthorn.call('POST', '/v1/events/batch', { events }), 202);
  }
}

/** The delivery of an event once it satisfies the condition. */
export async function untilDelivery(
  posthorn: Posthorn,
  eventId: string,
  condition: (delivery: DeliveryView) => boolean,
  timeoutMs = 20_000,
): Promise<DeliveryView> {
  let last: DeliveryView | undefined;
  try {
    await waitUntil(
      async () => {
        const { body } = await posthorn.call<{ data: DeliveryView[] }>(
          'GET',
          `/v1/deliveries?eventId=${eventId}`,
        );
        last = body.data[0];
        return last !== undefined && condition(last);
      },
      { timeoutMs },
    );
  } catch (error) {
    throw new Error(`The delivery is ${JSON.stringify(last)}\n${posthorn.output().slice(-4_000)}`, {
      cause: error,
    });
  }
  return last as DeliveryView;
}

export async function expectStatus<T>(answer: Promise<Answer<T>>, ...statuses: number[]): Promise<Answer<T>> {
  const { status, headers, body } = await answer;
  if (!statuses.includes(status))
    throw new Error(`${status}, not ${statuses.join(' or ')}: ${JSON.stringify(body)}`);
  return { status, headers, body };
}

function end(child: ChildProcess, signal: NodeJS.Signals): Promise<number | null> {
  return new Promise((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null) {
      resolve(child.exitCode);
      return;
    }
    child.once('exit', (code) => resolve(code));
    child.kill(signal);
  });
}
