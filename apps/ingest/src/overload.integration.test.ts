import { afterEach, describe, expect, it } from '@jest/globals';
import type { Logger } from '@posthorn/runtime';
import { waitUntil } from '@posthorn/testing';
import http from 'node:http';
import net from 'node:net';

import { openIngest, type OpenIngest } from './test-support/open-ingest.js';
import type { OverloadLimits } from './overload-limits.js';

const lines: { msg: string; fields: Record<string, unknown> }[] = [];
const record = (msg: string, fields: object = {}) =>
  void lines.push({ msg, fields: fields as Record<string, unknown> });
const logger: Logger = { debug: () => undefined, info: record, warn: record, error: record };
const logged = (name: string) => lines.filter(({ msg }) => msg === name);

let ingest: OpenIngest;
let release: (() => Promise<void>) | undefined;

async function open(limits: Partial<OverloadLimits>): Promise<void> {
  lines.length = 0;
  ingest = await openIngest(logger, limits);
  // Key and routes are known from here on.
  expect((await post(event())).status).toBe(202);
}
afterEach(async () => {
  await release?.();
  await ingest.close();
});

/** Nothing can be committed until it is released. */
async function stallPostgres(): Promise<void> {
  const client = await ingest.database.pool.connect();
  await client.query('BEGIN');
  await client.query('LOCK TABLE event IN ACCESS EXCLUSIVE MODE');
  release = async () => {
    release = undefined;
    await client.query('ROLLBACK');
    client.release();
  };
}

const event = (bytes = 10) =>
  JSON.stringify({ customerId: 'acme', type: 'invoice.paid', data: 'x'.repeat(bytes) });
const batch = (items: number) => `{"events":[${Array.from({ length: items }, () => event()).join(',')}]}`;

interface HttpResponse {
  status: number;
  retryAfter: string | undefined;
  code: unknown;
}

function post(body: string, path = '/v1/events'): Promise<HttpResponse> {
  return new Promise((resolve, reject) => {
    const request = http.request(
      {
        host: '127.0.0.1',
        port: ingest.port,
        method: 'POST',
        path,
        agent: false,
        headers: {
          authorization: `Bearer ${ingest.key}`,
          'content-type': 'application/json',
          'content-length': Buffer.byteLength(body),
        },
      },
      (response) => {
        let text = '';
        response.on('data', (chunk: Buffer) => (text += chunk.toString()));
        response.on('end', () =>
          resolve({
            status: response.statusCode ?? 0,
            retryAfter: response.headers['retry-after'],
            code: (JSON.parse(text) as { code?: unknown }).code,
          }),
        );
      },
    );
    request.on('error', reject);
    request.end(body);
  });
}

/** Many at once; the answers appear in the list as they come. */
function flood(count: number, body: string): { answers: HttpResponse[]; ended: Promise<unknown> } {
  const answers: HttpResponse[] = [];
  const ended = Promise.all(
    Array.from({ length: count }, async () => {
      answers.push(await post(body));
    }),
  );
  return { answers, ended };
}

async function eventsStored(): Promise<number> {
  const { rows } = await ingest.database.pool.query<{ n: number }>('SELECT count(*)::int AS n FROM event');
  return rows[0]?.n ?? 0;
}

/** Of both ends, and to Postgres. */
const openSockets = () =>
  process.getActiveResourcesInfo().filter((resource) => resource === 'TCPSocketWrap').length;
/** More may have been opened to Postgres meanwhile; half of the test's own are more than that. */
const postgresSocketsMax = 4;

describe('ingest under more than it can take', () => {
  it('refuses at once what is over the limit while Postgres stands still, goes on answering others, and recovers', async () => {
    await open({ waitingMax: 20 });
    await stallPostgres();
    const { answers, ended } = flood(100, event());
    await waitUntil(() => answers.length >= 60);
    for (const { status, retryAfter, code } of answers) {
      expect([status, code]).toEqual([503, 'unavailable']);
      expect(retryAfter).toMatch(/^[1-5]$/);
    }
    const health = await fetch(`http://127.0.0.1:${ingest.port}/health`);
    expect(health.status).toBe(200);
    expect((await fetch(`http://127.0.0.1:${ingest.port}/ready`)).status).toBe(200);

    await release?.();
    await ended;
    const accepted = answers.filter(({ status }) => status === 202).length;
    expect(accepted).toBeGreaterThan(20);
    expect(answers.length - accepted).toBe(answers.filter(({ status }) => status === 503).length);
    expect(await eventsStored()).toBe(1 + accepted);
    expect((await post(event())).status).toBe(202);

    expect(logged('ingest.overloaded')).toHaveLength(1);
    await waitUntil(() => logged('ingest.recovered').length === 1, { timeoutMs: 30_000 });
    expect(logged('ingest.recovered')[0]?.fields['refused']).toBeGreaterThan(0);
  });

  it('refuses when nothing has been committed for a while, however few are waiting', async () => {
    await open({ waitedMsMax: 200 });
    await stallPostgres();
    // Two commits may run at once; the third event waits for them.
    const waiting: Promise<HttpResponse>[] = [];
    for (let count = 1; count <= 3; count += 1) {
      waiting.push(post(event()));
      await waitUntil(() => ingest.pending() === count);
    }
    const refused: HttpResponse[] = [];
    await waitUntil(() => {
      const probe = post(event());
      waiting.push(probe);
      void probe.then((answer) => answer.status === 503 && refused.push(answer));
      return refused.length > 0;
    });
    await release?.();
    const statuses = (await Promise.all(waiting)).map(({ status }) => status);
    expect(statuses.slice(0, 3)).toEqual([202, 202, 202]);
    expect(new Set(statuses)).toEqual(new Set([202, 503]));
    expect((await post(event())).status).toBe(202);
  });

  it('counts a batch by its events, and refuses it whole', async () => {
    await open({ waitingMax: 20 });
    const stored = await eventsStored();
    expect(await post(batch(21), '/v1/events/batch')).toMatchObject({ status: 503, code: 'unavailable' });
    expect(await eventsStored()).toBe(stored);
    expect((await post(batch(20), '/v1/events/batch')).status).toBe(202);
    expect(await eventsStored()).toBe(stored + 20);
  });

  it('takes up a large batch in slices, between which others have the event loop', async () => {
    await open({});
    const seen: number[] = [];
    let watching = true;
    const watch = (): void => {
      seen.push(ingest.pending());
      if (watching) setImmediate(watch);
    };
    watch();
    expect((await post(batch(1_000), '/v1/events/batch')).status).toBe(202);
    watching = false;
    // Taken up at once, the first that shows of them is all of them.
    expect(seen.find((pending) => pending > 0)).toBeLessThan(1_000);
    expect(await eventsStored()).toBe(1_001);
  });

  it('holds no more bytes of bodies than the limit, and none when all are answered', async () => {
    const bodiesBytesMax = 1024 * 1024;
    await open({ bodiesBytesMax });
    await stallPostgres();
    let heldMax = 0;
    const watch = setInterval(() => (heldMax = Math.max(heldMax, ingest.overload.heldBytes())), 1);
    const { answers, ended } = flood(60, event(100_000));
    await waitUntil(() => answers.length >= 50);
    expect(answers.every(({ status, retryAfter }) => status === 503 && retryAfter !== undefined)).toBe(true);
    await release?.();
    await ended;
    clearInterval(watch);
    expect(heldMax).toBeGreaterThan(900_000);
    expect(heldMax).toBeLessThanOrEqual(bodiesBytesMax);
    await waitUntil(() => ingest.overload.heldBytes() === 0);
    expect(await eventsStored()).toBe(1 + answers.filter(({ status }) => status === 202).length);
    expect((await post(event())).status).toBe(202);
  });

  it('refuses while the event loop is late for longer than a moment, not after one stop', async () => {
    await open({ lagMsMax: 200 });
    const spin = (ms: number): void => {
      const untilMs = performance.now() + ms;
      while (performance.now() < untilMs);
    };
    spin(2_000);
    expect((await post(event())).status).toBe(202);

    let busy = true;
    const hog = (): void => {
      spin(400);
      if (busy) setTimeout(hog, 0);
    };
    hog();
    await waitUntil(async () => (await post(event())).status === 503);
    busy = false;
    expect(logged('ingest.overloaded')[0]?.fields['because']).toBe('event_loop');
    await waitUntil(async () => (await post(event())).status === 202);
  });
});

describe('a client that goes away', () => {
  const head = (length: number) =>
    `POST /v1/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${ingest.key}\r\n` +
    `Content-Type: application/json\r\nContent-Length: ${length}\r\n\r\n`;

  /** Connects and sends this much of a request. */
  const send = (text: string): Promise<net.Socket> =>
    new Promise((resolve) => {
      const socket = net.connect(ingest.port, '127.0.0.1', () => socket.write(text, () => resolve(socket)));
      socket.on('error', () => undefined);
    });

  it('in the middle of its body leaves nothing behind', async () => {
    await open({});
    const before = openSockets();
    const body = event(100_000);
    const sockets = await Promise.all(
      Array.from({ length: 50 }, () => send(head(body.length) + body.slice(0, 50_000))),
    );
    await waitUntil(() => ingest.overload.heldBytes() >= 50 * 50_000);
    for (const socket of sockets) socket.destroy();
    await waitUntil(() => ingest.overload.heldBytes() === 0 && openSockets() <= before + postgresSocketsMax);
    expect(ingest.pending()).toBe(0);
    expect(await eventsStored()).toBe(1);
  });

  it('after its event was handed over has it accepted, and leaves nothing behind', async () => {
    await open({});
    const before = openSockets();
    await stallPostgres();
    const body = event();
    const sockets = await Promise.all(Array.from({ length: 50 }, () => send(head(body.length) + body)));
    await waitUntil(() => ingest.pending() === 50);
    for (const socket of sockets) socket.destroy();
    await release?.();
    await waitUntil(() => ingest.pending() === 0 && ingest.overload.heldBytes() === 0);
    await waitUntil(() => openSockets() <= before + postgresSocketsMax);
    expect(await eventsStored()).toBe(51);
  });

  it('never sends what it announced is answered 413 at once when that is too much, and costs nothing', async () => {
    await open({});
    const before = openSockets();
    const sockets = await Promise.all(Array.from({ length: 50 }, () => send(head(1_000_000_000))));
    let refused = 0;
    for (const socket of sockets) {
      socket.once(
        'data',
        (chunk: Buffer) => (refused += chunk.toString().startsWith('HTTP/1.1 413 ') ? 1 : 0),
      );
    }
    await waitUntil(() => refused === sockets.length);
    expect(ingest.overload.heldBytes()).toBe(0);
    // Their half of the connection stays open; ours closes it.
    await waitUntil(() => openSockets() <= before + postgresSocketsMax);
  });
});
