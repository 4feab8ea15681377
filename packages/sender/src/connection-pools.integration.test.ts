import type { ServerResponse } from 'node:http';
import { afterEach, describe, expect, it } from '@jest/globals';
import { createSender, type Sender, type SenderOptions } from './sender.js';
import { post, startHttp, type TestServer, until } from './test-support/servers.js';

let sender: Sender;
let receiver: TestServer;

const start = async (listener: Parameters<typeof startHttp>[0], options: Partial<SenderOptions> = {}) => {
  sender = createSender({ allowTargets: ['127.0.0.0/8'], ...options });
  receiver = await startHttp(listener);
};
afterEach(async () => {
  await sender.close();
  await receiver.close();
});

describe('connections', () => {
  it('are kept alive, and tell their address each time', async () => {
    await start((_request, response) => response.end('ok'));
    for (let i = 0; i < 10; i++) {
      expect(await post(sender, receiver.url)).toMatchObject({ status: 'delivered', address: '127.0.0.1' });
    }
    expect(receiver.accepted).toHaveLength(1);
  });

  it('are at most as many as asked for; further sends wait their turn', async () => {
    const held: ServerResponse[] = [];
    await start((_request, response) => void held.push(response));
    const sending = Array.from({ length: 6 }, () => post(sender, receiver.url, { maxConnections: 2 }));
    for (let answered = 0; answered < 6; answered += 2) {
      await until(() => held.length === 2);
      for (const response of held.splice(0)) response.end();
    }
    for (const outcome of await Promise.all(sending)) expect(outcome.status).toBe('delivered');
    expect(receiver.accepted).toHaveLength(2);
  });

  it('of one pool key never keep those of another waiting', async () => {
    await start((request, response) => {
      if (request.headers['x-hang'] === undefined) response.end();
    });
    const hanging = Array.from({ length: 3 }, () =>
      post(sender, receiver.url, {
        poolKey: 'a',
        maxConnections: 1,
        headers: { 'x-hang': '1' },
        timeoutMs: 3_000,
      }),
    );
    const other = await post(sender, receiver.url, { poolKey: 'b', maxConnections: 1 });
    expect(other.status).toBe('delivered');
    await sender.close();
    await Promise.all(hanging);
  });

  it('are given to the next in line when the one before is broken off, skipping who gave up', async () => {
    const seen: string[] = [];
    await start((request, response) => {
      const name = String(request.headers['x-name']);
      seen.push(name);
      if (name !== 'first') response.end();
    });
    const controllers = [new AbortController(), new AbortController()];
    const send = (name: string, signal?: AbortSignal) =>
      post(sender, receiver.url, {
        maxConnections: 1,
        headers: { 'x-name': name },
        ...(signal && { signal }),
      });
    const first = send('first', controllers[0]!.signal);
    const second = send('second', controllers[1]!.signal);
    const third = send('third');
    await until(() => seen.length === 1);
    controllers[1]!.abort();
    controllers[0]!.abort();
    const outcomes = await Promise.all([first, second, third]);
    expect(outcomes.map((outcome) => outcome.status)).toEqual(['aborted', 'aborted', 'delivered']);
    expect(seen).toEqual(['first', 'third']);
  });

  it('closed by the endpoint after an answer are replaced without a failure', async () => {
    await start((_request, response) => response.setHeader('connection', 'close').end());
    for (let i = 0; i < 5; i++)
      expect(await post(sender, receiver.url)).toMatchObject({ status: 'delivered' });
    const together = Array.from({ length: 5 }, () => post(sender, receiver.url, { maxConnections: 1 }));
    for (const outcome of await Promise.all(together)) expect(outcome.status).toBe('delivered');
    expect(receiver.accepted).toHaveLength(10);
  });

  it('closed by the endpoint while idle are replaced without a failure', async () => {
    await start((_request, response) => response.end());
    for (let i = 1; i <= 5; i++) {
      expect(await post(sender, receiver.url)).toMatchObject({ status: 'delivered' });
      for (const socket of receiver.open) socket.end();
      await until(() => receiver.open.size === 0);
    }
    expect(receiver.accepted).toHaveLength(5);
  });

  it('closed by the endpoint while idle leave nothing behind', async () => {
    await start((_request, response) => response.end());
    await Promise.all(Array.from({ length: 3 }, (_, i) => post(sender, receiver.url, { poolKey: `${i}` })));
    expect(sender.stats()).toEqual({ inFlight: 0, connections: 3, idleConnections: 3 });
    for (const socket of receiver.open) socket.end();
    await until(() => sender.stats().connections === 0);
    expect(sender.stats()).toEqual({ inFlight: 0, connections: 0, idleConnections: 0 });
  });

  it('are closed after being idle for the keep-alive time', async () => {
    await start((_request, response) => response.end(), {
      keepAliveMs: 50,
    });
    await Promise.all(Array.from({ length: 3 }, () => post(sender, receiver.url)));
    expect(receiver.accepted.length).toBeGreaterThan(0);
    await until(() => receiver.open.size === 0);
  });

  it('are kept idle up to the total; the one idle for longest goes', async () => {
    await start((_request, response) => response.end(), { idleConnectionsMax: 2 });
    for (const poolKey of ['a', 'b', 'c']) await post(sender, receiver.url, { poolKey });
    await until(() => receiver.open.size === 2);
    expect(receiver.accepted.map((socket) => receiver.open.has(socket))).toEqual([false, true, true]);
    await post(sender, receiver.url, { poolKey: 'c' });
    expect(receiver.accepted).toHaveLength(3);
  });
});
