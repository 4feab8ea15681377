import { createServer, type ServerOptions } from 'node:https';
import { TLSSocket } from 'node:tls';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { createSender, type Sender } from './sender.js';
import { createCertificate } from './test-support/certificate.js';
import { type NameServer, startNameServer } from './test-support/name-server.js';
import { listen, post, startRaw, type TestServer, until } from './test-support/servers.js';

let certificate: ReturnType<typeof createCertificate>;
let nameServer: NameServer;
let receiver: TestServer | null;
let seen: { servername: string; resumed: boolean; body: string }[];
let sender: Sender | null;

beforeAll(() => {
  certificate = createCertificate(['good.example', '*.wild.example']);
});
beforeEach(async () => {
  seen = [];
  sender = receiver = null;
  nameServer = await startNameServer(() => ({ addresses: ['127.0.0.1'] }));
});
afterEach(async () => {
  await sender?.close();
  await receiver?.close();
  await nameServer.close();
});

const startTls = async (options: ServerOptions) => {
  const server = createServer(options, (request, response) => {
    const { socket } = request;
    if (!(socket instanceof TLSSocket)) throw new Error('not over TLS');
    request.setEncoding('utf8').on('data', (body: string) => {
      seen.push({
        servername: String(Reflect.get(socket, 'servername')),
        resumed: socket.isSessionReused(),
        body,
      });
    });
    request.on('end', () => response.end());
  });
  server.on('tlsClientError', () => undefined);
  receiver = await listen(server, '127.0.0.1', 0);
  return receiver;
};
const trusting = (certificateAuthorities: string[]) =>
  (sender = createSender({
    allowTargets: ['127.0.0.0/8'],
    dnsServers: [nameServer.address],
    certificateAuthorities,
  }));
const expectTlsError = async (url: string, code: string) => {
  const outcome = await post(sender!, url, { body: '{"secret":1}', timeoutMs: 5_000 });
  expect(outcome).toMatchObject({ status: 'failed', error: { code }, responseCode: null });
  expect(seen).toEqual([]);
};

describe('over TLS', () => {
  it('a trusted certificate for the name is delivered to, with that name as SNI', async () => {
    const { port } = await startTls(certificate);
    trusting([certificate.cert]);
    for (const host of ['good.example', 'a.wild.example', 'good.example.']) {
      const outcome = await post(sender!, `https://${host}:${port}/`, { timeoutMs: 5_000 });
      expect(outcome).toMatchObject({ status: 'delivered', address: '127.0.0.1', error: null });
    }
    expect(seen.map((each) => each.servername)).toEqual(['good.example', 'a.wild.example', 'good.example']);
  });

  it('a session is resumed on the next connection to the same name', async () => {
    const { port } = await startTls(certificate);
    trusting([certificate.cert]);
    for (const poolKey of ['a', 'b']) await post(sender!, `https://good.example:${port}/`, { poolKey });
    expect(seen.map((each) => each.resumed)).toEqual([false, true]);
  });

  it('a self-signed certificate is refused and gets no byte of the request', async () => {
    const { port } = await startTls(certificate);
    trusting([]);
    await expectTlsError(`https://good.example:${port}/`, 'tls_certificate_self_signed');
  });

  it('a certificate for another name is refused, also after a session with the right name', async () => {
    const { port } = await startTls(certificate);
    trusting([certificate.cert]);
    await post(sender!, `https://good.example:${port}/`);
    seen = [];
    await expectTlsError(`https://bad.example:${port}/`, 'tls_certificate_wrong_name');
    await expectTlsError(`https://127.0.0.1:${port}/`, 'tls_certificate_wrong_name');
  });

  it('an expired certificate is refused', async () => {
    const expired = createCertificate(['good.example'], { validity: 'expired' });
    const { port } = await startTls(expired);
    trusting([expired.cert]);
    await expectTlsError(`https://good.example:${port}/`, 'tls_certificate_expired');
  });

  it('a server without TLS, one that hangs up and a silent one are told apart', async () => {
    trusting([]);
    receiver = await startRaw((socket) => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'));
    const plain = await post(sender!, `https://127.0.0.1:${receiver.port}/`);
    expect(plain).toMatchObject({ status: 'failed', error: { code: 'tls_not_spoken' } });
    await receiver.close();
    receiver = await startRaw((socket) => socket.destroy());
    const hungUp = await post(sender!, `https://127.0.0.1:${receiver.port}/`);
    expect(hungUp).toMatchObject({ status: 'failed', error: { code: 'tls_handshake_closed' } });
    await receiver.close();
    receiver = await startRaw(() => undefined);
    const silent = await post(sender!, `https://127.0.0.1:${receiver.port}/`, { timeoutMs: 200 });
    expect(silent).toMatchObject({ status: 'timeout', address: '127.0.0.1' });
    expect(silent.error?.message).toContain('TLS handshake');
    await until(() => receiver!.open.size === 0);
  });
});
