import { createServer } from 'node:https';
import { TLSSocket } from 'node:tls';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { createSender, type Sender } from './sender.js';
import { createCertificate } from './test-support/certificate.js';
import { type NameServer, startNameServer } from './test-support/name-server.js';
import { listen, post, startHttp, type TestServer } from './test-support/servers.js';

interface Seen {
  host: string | undefined;
  target: string | undefined;
  servername: unknown;
}

let plain: TestServer;
let secure: TestServer;
let nameServer: NameServer;
let sender: Sender;
let seen: Seen[];

const certificate = createCertificate(['xn--mller-kva.example', 'example.com']);

beforeAll(async () => {
  const note = (request: { headers: { host?: string }; url?: string; socket: object }): void => {
    const servername: unknown =
      request.socket instanceof TLSSocket ? Reflect.get(request.socket, 'servername') : null;
    seen.push({ host: request.headers.host, target: request.url, servername });
  };
  plain = await startHttp((request, response) => {
    note(request);
    response.end();
  });
  secure = await listen(
    createServer(certificate, (request, response) => {
      note(request);
      response.end();
    }),
    '127.0.0.1',
    0,
  );
  nameServer = await startNameServer(() => ({ addresses: ['127.0.0.1'] }));
});
afterAll(async () => {
  await plain.close();
  await secure.close();
  await nameServer.close();
});
beforeEach(() => {
  seen = [];
  sender = createSender({
    allowTargets: ['127.0.0.0/8'],
    dnsServers: [nameServer.address],
    certificateAuthorities: [certificate.cert],
  });
});
afterEach(() => sender.close());

describe('a URL as people write it', () => {
  it.each([
    ['HTTP://EXAMPLE.com:PORT/Hook?Q=A', 'example.com', '/Hook?Q=A'],
    [
      'http://müller.example:PORT/Straße?größe=ü',
      'xn--mller-kva.example',
      '/Stra%C3%9Fe?gr%C3%B6%C3%9Fe=%C3%BC',
    ],
    ['http://MÜLLER.Example:PORT', 'xn--mller-kva.example', '/'],
    ['http://例え。jp:PORT/', 'xn--r8jz45g.jp', '/'],
    ['http://faß.example:PORT/', 'xn--fa-hia.example', '/'],
    ['http://ex%61mple.com:PORT/%61', 'example.com', '/%61'],
  ])('sends %s with the host %s as punycode, asked for as that', async (url, host, target) => {
    const outcome = await post(sender, url.replace('PORT', String(plain.port)), { timeoutMs: 5_000 });
    expect(outcome).toMatchObject({ status: 'delivered', address: '127.0.0.1' });
    expect(seen).toEqual([{ host: `${host}:${plain.port}`, target, servername: null }]);
    expect(nameServer.questions.map(({ name }) => name)).toContain(host);
  });

  it('names its host in punycode in the TLS handshake, and finds that in the certificate', async () => {
    const url = `HTTPS://Müller.Example:${secure.port}/Grüße`;
    expect(await post(sender, url, { timeoutMs: 5_000 })).toMatchObject({ status: 'delivered', error: null });
    expect(seen).toEqual([
      {
        host: `xn--mller-kva.example:${secure.port}`,
        target: '/Gr%C3%BC%C3%9Fe',
        servername: 'xn--mller-kva.example',
      },
    ]);
  });
});
