import { afterEach, describe, expect, it } from '@jest/globals';
import { createNameResolver, type NameResolver } from './name-resolver.js';
import { createSender } from './sender.js';
import { type NameAnswer, type NameServer, startNameServer } from './test-support/name-server.js';
import { post, startHttp } from './test-support/servers.js';

let nameServer: NameServer;
let resolver: NameResolver;

const start = async (answer: (name: string, type: 'A' | 'AAAA') => NameAnswer) => {
  nameServer = await startNameServer(answer);
  resolver = createNameResolver({ servers: [nameServer.address], timeoutMs: 100, tries: 1 });
};
afterEach(async () => {
  resolver.close();
  await nameServer.close();
});

describe('name resolver', () => {
  it('gives all addresses of both families, IPv4 first', async () => {
    await start(() => ({ addresses: ['2606:4700::1111', '8.8.8.8', '1.1.1.1'] }));
    expect(await resolver.resolve('a.example')).toEqual({
      ok: true,
      addresses: ['8.8.8.8', '1.1.1.1', '2606:4700::1111'],
    });
  });

  it('gives the addresses of one family where the other has none', async () => {
    await start(() => ({ addresses: ['2606:4700::1111'] }));
    expect(await resolver.resolve('a.example')).toEqual({ ok: true, addresses: ['2606:4700::1111'] });
  });

  it('does not wait for a family that is never answered once the other has addresses', async () => {
    await start((_name, type) => (type === 'AAAA' ? 'silence' : { addresses: ['8.8.8.8'] }));
    const patient = createNameResolver({ servers: [nameServer.address], timeoutMs: 5_000, tries: 2 });
    expect(await patient.resolve('deaf.example')).toEqual({ ok: true, addresses: ['8.8.8.8'] });
    // Waited for, the other family would have been asked for again.
    expect(nameServer.questions.filter((question) => question.type === 'AAAA')).toHaveLength(1);
    patient.close();
  });

  it('asks once for look-ups of one name that run at the same time', async () => {
    await start(() => ({ addresses: ['8.8.8.8'], ttl: 0 }));
    await Promise.all(Array.from({ length: 50 }, () => resolver.resolve('a.example')));
    expect(nameServer.questions).toHaveLength(2);
  });

  it('keeps an answer for its TTL and does not keep one whose TTL is 0', async () => {
    await start((name) => ({ addresses: ['8.8.8.8'], ttl: name === 'kept.example' ? 300 : 0 }));
    await resolver.resolve('kept.example');
    await resolver.resolve('kept.example');
    expect(nameServer.questions).toHaveLength(2);
    await resolver.resolve('fleeting.example');
    await resolver.resolve('fleeting.example');
    expect(nameServer.questions).toHaveLength(6);
  });

  it('says dns_failed for a name that does not exist, has no address or cannot be answered, and asks again', async () => {
    let answer: NameAnswer = 'nxdomain';
    await start(() => answer);
    expect(await resolver.resolve('a.example')).toEqual({ ok: false, code: 'dns_not_found' });
    answer = { addresses: [] };
    expect(await resolver.resolve('a.example')).toEqual({ ok: false, code: 'dns_no_address' });
    answer = 'servfail';
    expect(await resolver.resolve('a.example')).toEqual({ ok: false, code: 'dns_server_failure' });
    answer = { addresses: ['8.8.8.8'] };
    expect(await resolver.resolve('a.example')).toMatchObject({ ok: true });
  });

  it('spreads the ends of look-ups that time out together', async () => {
    await start(() => 'silence');
    const patient = createNameResolver({ servers: [nameServer.address], timeoutMs: 500, tries: 1 });
    const endedAtMs: number[] = [];
    await Promise.all(
      Array.from({ length: 100 }, async (_, i) => {
        expect(await patient.resolve(`silent${i}.example`)).toMatchObject({ ok: false, code: 'dns_timeout' });
        endedAtMs.push(performance.now());
      }),
    );
    patient.close();
    // Four milliseconds apart; together they would be a moment's work.
    expect(endedAtMs[89]! - endedAtMs[10]!).toBeGreaterThan(200);
  });

  it('says dns_timeout when the name server stays silent', async () => {
    await start(() => 'silence');
    expect(await resolver.resolve('a.example')).toMatchObject({ ok: false, code: 'dns_timeout' });
  });
});

describe('a sender whose name server is silent about some names', () => {
  it('delivers to the others meanwhile, and ends the silent ones at their deadline', async () => {
    const receiver = await startHttp((_request, response) => response.end());
    await start((name) => (name.startsWith('silent') ? 'silence' : { addresses: ['127.0.0.1'], ttl: 0 }));
    const sender = createSender({
      allowTargets: ['127.0.0.0/8'],
      dnsServers: [nameServer.address],
      dnsTimeoutMs: 20_000,
    });
    const silent = Array.from({ length: 20 }, (_, i) =>
      post(sender, `http://silent${i}.example:${receiver.port}/`, { poolKey: `s${i}`, timeoutMs: 2_000 }),
    );
    const finished: string[] = [];
    for (const sending of silent) void sending.then(() => finished.push('silent'));
    for (let i = 0; i < 20; i++) {
      const outcome = await post(sender, `http://ok${i}.example:${receiver.port}/`, { poolKey: `o${i}` });
      expect(outcome.status).toBe('delivered');
      finished.push('ok');
    }
    expect(finished).toEqual(Array<string>(20).fill('ok'));
    for (const outcome of await Promise.all(silent)) {
      expect(outcome).toMatchObject({ status: 'timeout', address: null });
      expect(outcome.error?.message).toContain('the host name was not resolved');
    }
    await sender.close();
    await receiver.close();
  });

  it('says dns_timeout when the name server gives up before the deadline', async () => {
    await start(() => 'silence');
    const sender = createSender({
      allowTargets: [],
      dnsServers: [nameServer.address],
      dnsTimeoutMs: 50,
      dnsTries: 1,
    });
    expect(await post(sender, 'http://silent.example/')).toMatchObject({
      status: 'failed',
      error: { code: 'dns_timeout' },
    });
    await sender.close();
  });
});
