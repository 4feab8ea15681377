import { request } from 'node:http';
import { Agent } from 'node:http';
import { connect } from 'node:net';
import { afterEach, describe, expect, it } from '@jest/globals';
import { startReceiver, type Receiver } from './receiver.js';

describe('startReceiver', () => {
  let receiver: Receiver | undefined;
  afterEach(() => receiver?.close());

  it('keeps the headers and the body exactly as they came over the wire', async () => {
    receiver = await startReceiver();
    const body = Buffer.from([0, 255, 10, 13]);
    const socket = connect(receiver.port, '127.0.0.1');
    socket.write('POST /in?x=1 HTTP/1.1\r\nHost: h\r\nX-Two: a\r\nx-TWO: b\r\nContent-Length: 4\r\n\r\n');
    socket.write(body);

    const [got] = await receiver.waitFor(1);
    socket.destroy();
    expect(got).toMatchObject({ number: 1, method: 'POST', path: '/in?x=1', body });
    expect(got?.rawHeaders.slice(2, 6)).toEqual(['X-Two', 'a', 'x-TWO', 'b']);
  });

  it('answers each request as the handler says, and can be told otherwise later', async () => {
    receiver = await startReceiver(({ number }) => ({
      status: 500 + number,
      headers: { 'retry-after': '7' },
      body: 'no',
    }));
    const first = await fetch(receiver.url, { method: 'POST', body: '1' });
    expect([first.status, first.headers.get('retry-after'), await first.text()]).toEqual([501, '7', 'no']);
    expect((await fetch(receiver.url)).status).toBe(502);
    receiver.respondWith(() => ({ status: 204 }));
    expect((await fetch(receiver.url)).status).toBe(204);
  });

  it('hangs, resets and drips on request, and close() cuts what is still open', async () => {
    receiver = await startReceiver(({ path }) => {
      if (path === '/hang') return { fault: 'hang' };
      if (path === '/reset') return { fault: 'reset' };
      return { fault: 'drip', everyMs: 1, bytes: path === '/drip' ? 5 : Infinity };
    });
    const { url } = receiver;
    await expect(fetch(`${url}/reset`)).rejects.toMatchObject({ cause: { code: 'ECONNRESET' } });
    expect(await (await fetch(`${url}/drip`)).text()).toBe('.....');
    const endless = await fetch(`${url}/endless`);
    const hanging = fetch(`${url}/hang`);
    await receiver.waitFor((requests) => requests.some(({ path }) => path === '/hang'));
    await receiver.close();
    await expect(hanging).rejects.toThrow();
    await expect(endless.text()).rejects.toThrow();
  });

  it('keeps connections alive and counts them', async () => {
    receiver = await startReceiver();
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    for (let n = 0; n < 3; n += 1) await get(receiver.url, agent);
    agent.destroy();
    expect([receiver.requests.length, receiver.connectionCount()]).toEqual([3, 1]);
  });

  it('says how many requests came when the wanted ones did not', async () => {
    receiver = await startReceiver();
    await fetch(receiver.url);
    await expect(receiver.waitFor(2, { timeoutMs: 20 })).rejects.toThrow('got 1 requests, not 2 requests');
  });
});

function get(url: string, agent: Agent): Promise<void> {
  return new Promise((resolve, reject) => {
    request(url, { agent }, (response) => response.resume().once('end', resolve))
      .once('error', reject)
      .end();
  });
}
