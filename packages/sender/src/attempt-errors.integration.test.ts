import { createServer as createTlsServer, type ServerOptions } from 'node:https';
import type { Socket } from 'node:net';
import { type AttemptErrorCode, attemptErrors, type AttemptOutcome } from '@posthorn/domain';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { describeFailure } from './describe-failure.js';
import { createSender, type Sender, type SendRequest } from './sender.js';
import { type Certificate, type CertificateOptions, createCertificate } from './test-support/certificate.js';
import { type NameAnswer, type NameServer, startNameServer } from './test-support/name-server.js';
import { rawResponses } from './test-support/raw-responses.js';
import { listen, post, startHttp, startRaw, type TestServer } from './test-support/servers.js';

let nameServer: NameServer;
let certificate: Certificate;
let authority: Certificate;
let sender: Sender | null = null;
let receiver: TestServer | null = null;

const nameAnswers: Record<string, NameAnswer> = {
  'missing.example': 'nxdomain',
  'empty.example': { addresses: [] },
  'failing.example': 'servfail',
  'refusing.example': 'refused',
  'unimplemented.example': 'notimp',
  'formless.example': 'formerr',
  'malformed.example': 'malformed',
  'silent.example': 'silence',
};

beforeAll(async () => {
  nameServer = await startNameServer((name) => nameAnswers[name] ?? { addresses: ['127.0.0.1'] });
  certificate = createCertificate(['good.example']);
  authority = createCertificate([], { commonName: 'Test authority' });
});
afterEach(async () => {
  await sender?.close();
  await receiver?.close();
  sender = receiver = null;
});
afterAll(() => nameServer.close());

const send = (url: string, request: Partial<SendRequest> = {}, dnsServer = nameServer.address) => {
  sender = createSender({
    allowTargets: ['127.0.0.0/8', '224.0.0.0/4'],
    dnsServers: [dnsServer],
    dnsTimeoutMs: 200,
    dnsTries: 1,
    certificateAuthorities: [certificate.cert],
  });
  return post(sender, url, request);
};
const sendToRaw = async (answer: (socket: Socket) => void, request: Partial<SendRequest> = {}) => {
  receiver = await startRaw(answer);
  return send(receiver.url, request);
};
const sendToTls = async (options: ServerOptions, host = 'good.example') => {
  const server = createTlsServer({ ...certificate, ...options }, (_request, response) => response.end());
  server.on('tlsClientError', () => undefined);
  receiver = await listen(server, '127.0.0.1', 0);
  return send(`https://${host}:${receiver.port}/`);
};
/** Nothing but what the options say is wrong with the certificate. */
const sendTrusting = async (options: CertificateOptions, serverOptions: ServerOptions = {}) => {
  const trusted = createCertificate(['good.example'], options);
  const server = createTlsServer({ ...trusted, ...serverOptions }, (_request, response) => response.end());
  receiver = await listen(server, '127.0.0.1', 0);
  sender = createSender({
    allowTargets: ['127.0.0.0/8'],
    dnsServers: [nameServer.address],
    certificateAuthorities: [trusted.cert],
  });
  return post(sender, `https://good.example:${receiver.port}/`);
};
const signed = (options: Parameters<typeof createCertificate>[1]) =>
  createCertificate(['good.example'], { issuer: authority, issuerName: 'Test authority', ...options });
/** RFC 8446 section 6: a fatal alert in the place of the server's first message. */
const sendToAlert = async (alert: number) => {
  receiver = await startRaw((socket) => socket.end(Buffer.from([0x15, 3, 3, 0, 2, 2, alert])));
  return send(`https://good.example:${receiver.port}/`);
};
const sendToPlain = async (answer: (socket: Socket) => void) => {
  receiver = await startRaw(answer);
  return send(`https://good.example:${receiver.port}/`);
};

type Failure = [code: AttemptErrorCode, how: string, attempt: () => Promise<AttemptOutcome>];

const failures: Failure[] = [
  ['target_refused', 'a private address', () => send('http://10.0.0.1/')],
  ['target_refused', 'a port of another protocol', () => send('http://127.0.0.1:25/')],
  [
    'header_refused',
    'a header of the connection',
    () => send('http://127.0.0.1/', { headers: { host: 'x' } }),
  ],

  ['dns_not_found', 'NXDOMAIN', () => send('http://missing.example/')],
  ['dns_no_address', 'no records', () => send('http://empty.example/')],
  ['dns_server_failure', 'SERVFAIL', () => send('http://failing.example/')],
  ['dns_query_refused', 'REFUSED', () => send('http://refusing.example/')],
  ['dns_query_refused', 'NOTIMP', () => send('http://unimplemented.example/')],
  ['dns_invalid_answer', 'FORMERR', () => send('http://formless.example/')],
  ['dns_invalid_answer', 'a record that is missing', () => send('http://malformed.example/')],
  ['dns_timeout', 'silence', () => send('http://silent.example/')],
  [
    'dns_unreachable',
    'a name server that does not run',
    async () => {
      const gone = await startNameServer(() => 'silence');
      await gone.close();
      return send('http://good.example/', {}, gone.address);
    },
  ],

  [
    'connection_refused',
    'a port that is closed',
    async () => {
      const gone = await startHttp(() => undefined);
      await gone.close();
      return send(gone.url);
    },
  ],
  ['network_unreachable', 'a multicast group', () => send('http://224.0.0.1/')],
  ['connection_reset', 'a reset', () => sendToRaw((socket) => socket.resetAndDestroy())],
  ['connection_closed', 'an end', () => sendToRaw((socket) => socket.end())],

  ['tls_certificate_expired', 'an old certificate', () => sendToTls(signed({ validity: 'expired' }))],
  [
    'tls_certificate_not_yet_valid',
    'a new certificate',
    () => sendToTls(createCertificate(['good.example'], { validity: 'later' })),
  ],
  [
    'tls_certificate_self_signed',
    'itself as authority',
    () => sendToTls(createCertificate(['good.example'], { commonName: 'Another' })),
  ],
  ['tls_certificate_wrong_name', 'another name', () => sendToTls({}, 'bad.example')],
  [
    'tls_certificate_unknown_authority',
    'a chain to an unknown authority',
    () => {
      const { key, cert } = signed({});
      return sendToTls({ key, cert: `${cert}${authority.cert}` });
    },
  ],
  ['tls_certificate_chain_incomplete', 'no chain', () => sendToTls(signed({}))],
  [
    'tls_certificate_weak',
    'an RSA key of 512 bits',
    () => sendTrusting({ rsaBits: 512 }, { ciphers: 'DEFAULT@SECLEVEL=0', maxVersion: 'TLSv1.2' }),
  ],
  ['tls_certificate_invalid', 'a certificate for clients', () => sendTrusting({ purpose: 'clientAuth' })],
  [
    'tls_client_certificate_required',
    'an alert after the handshake (TLS 1.3)',
    () => sendToTls({ requestCert: true, rejectUnauthorized: true, minVersion: 'TLSv1.3' }),
  ],
  [
    'tls_client_certificate_required',
    'an alert in the handshake (TLS 1.2)',
    () => sendToTls({ requestCert: true, rejectUnauthorized: true, maxVersion: 'TLSv1.2' }),
  ],
  [
    'tls_client_certificate_required',
    'an end without an alert',
    async () => {
      const options = { ...certificate, requestCert: true, rejectUnauthorized: false };
      const server = createTlsServer(options, () => undefined);
      server.on('secureConnection', (socket) => socket.end());
      receiver = await listen(server, '127.0.0.1', 0);
      return send(`https://good.example:${receiver.port}/`);
    },
  ],
  [
    'connection_closed',
    'an end over TLS that wants no certificate',
    async () => {
      const server = createTlsServer(certificate, () => undefined);
      server.on('secureConnection', (socket) => socket.end());
      receiver = await listen(server, '127.0.0.1', 0);
      return send(`https://good.example:${receiver.port}/`);
    },
  ],
  [
    'tls_version_unsupported',
    'TLS 1.1 at most',
    () => sendToTls({ minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' }),
  ],
  [
    'tls_no_common_cipher',
    'ciphers for another kind of key',
    () => sendToTls({ maxVersion: 'TLSv1.2', ciphers: 'ECDHE-RSA-AES128-GCM-SHA256' }),
  ],
  ['tls_http1_not_offered', 'HTTP/2 alone', () => sendToTls({ ALPNProtocols: ['h2'] })],
  ['tls_name_not_served', 'the alert for an unknown name', () => sendToAlert(112)],
  ['tls_error', 'the alert for an internal error', () => sendToAlert(80)],
  [
    'tls_not_spoken',
    'HTTP on the port',
    () => sendToPlain((socket) => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n')),
  ],
  [
    'tls_not_spoken',
    'a banner on the port',
    () => sendToPlain((socket) => socket.end('SSH-2.0-OpenSSH_9.2\r\n')),
  ],
  ['tls_handshake_closed', 'an end in the handshake', () => sendToPlain((socket) => socket.end())],
  [
    'tls_handshake_closed',
    'a reset in the handshake',
    () => sendToPlain((socket) => socket.resetAndDestroy()),
  ],

  ['timeout', 'silence', () => sendToRaw(() => undefined, { timeoutMs: 100 })],
  ['aborted', 'a signal', () => send('http://127.0.0.1/', { signal: AbortSignal.abort() })],
];

/** What no test can bring about here; how its errors are named is tested below. */
const unreachable: Partial<
  Record<AttemptErrorCode, { why: string; phase?: 'open' | 'connecting' | 'securing'; errors: string[] }>
> = {
  dns_invalid_name: { why: 'The check of the URL refuses such a name first.', errors: [] },
  dns_failed: { why: 'For codes of c-ares that no other code stands for.', errors: [] },
  connection_timeout: {
    why: 'The kernel gives up after two minutes.',
    phase: 'connecting',
    errors: ['ETIMEDOUT'],
  },
  host_unreachable: {
    why: 'It needs a router or a neighbour that is gone.',
    phase: 'connecting',
    errors: ['EHOSTUNREACH', 'EHOSTDOWN'],
  },
  connection_forbidden: {
    why: 'It needs a rule in a firewall.',
    phase: 'connecting',
    errors: ['EPERM', 'EACCES'],
  },
  connection_lost: {
    why: 'The kernel gives up after minutes.',
    phase: 'open',
    errors: ['ETIMEDOUT', 'EHOSTUNREACH', 'ENETUNREACH'],
  },
  network_error: {
    why: 'For codes that no other code stands for.',
    phase: 'open',
    errors: ['EWHATEVER', 'UND_ERR_WHATEVER'],
  },
  tls_certificate_revoked: {
    why: 'No list of revoked certificates is loaded.',
    phase: 'securing',
    errors: ['CERT_REVOKED'],
  },
  invalid_response: {
    why: 'For errors of the parser that no other code stands for.',
    phase: 'open',
    errors: ['HPE_INTERNAL', 'ERR_ASSERTION'],
  },
  local_resources: {
    why: 'It needs a process without free file descriptors.',
    phase: 'connecting',
    errors: ['EMFILE', 'ENFILE', 'ENOBUFS', 'ENOMEM'],
  },
};

const internalWord = /ERR_|HPE_|UND_|ECONN|EPIPE|SSL|undici|c-ares|OpenSSL|assert/;

describe('an attempt fails with a code and a sentence of its own', () => {
  it.each(failures)('%s: %s', async (code, _how, attempt) => {
    const { error, status, responseCode } = await attempt();
    expect({ code: error?.code, responseCode }).toEqual({ code, responseCode: null });
    expect(status).not.toBe('delivered');
    expect(error?.message).toMatch(/^[A-Z].*[.?]$/);
    expect(error?.message).not.toMatch(internalWord);
  });

  it.each(Object.entries(unreachable).map(([code, facts]) => [code, facts] as const))(
    '%s',
    (code, { phase, errors }) => {
      for (const errorCode of errors) {
        const name = errorCode.startsWith('HPE_')
          ? 'HTTPParserError'
          : errorCode === 'ERR_ASSERTION'
            ? 'AssertionError'
            : 'Error';
        const error = Object.assign(new Error(`secret ${errorCode}`), { code: errorCode, name });
        const failure = describeFailure(error, {
          phase: phase ?? 'open',
          statusCode: null,
          certificateRequested: false,
        });
        expect(failure.error.code).toBe(code);
        expect(failure.error.message).not.toMatch(internalWord);
        expect(failure.error.message).not.toContain('secret');
      }
    },
  );

  it('and no code is in the table that nothing brings about', () => {
    const broughtAbout = [
      ...failures.map(([code]) => code),
      ...rawResponses.map(({ error }) => error),
      ...Object.keys(unreachable),
    ].filter((code) => code !== null);
    expect([...new Set(broughtAbout)].sort()).toEqual(Object.keys(attemptErrors).sort());
  });

  it.each(Object.entries(attemptErrors))('%s has a sentence without internal words', (code, { meaning }) => {
    expect(code).toMatch(/^[a-z0-9]+(_[a-z0-9]+)*$/);
    expect(meaning).toMatch(/^(The|What|A|Posthorn|No) .*[.?]$/);
    expect(meaning).not.toMatch(internalWord);
  });
});
