import { waitUntil, type Receiver } from '@posthorn/testing';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';

import { allDelivered, ledgerOf } from './support/history.js';
import { startBeside } from './support/start-beside.js';
import { INSTALLATION_MS, startInstallation, type Installation } from './support/start-installation.js';
import { addEndpoint, expectStatus, postEvents, type Posthorn } from './support/start-posthorn.js';

const PATIENT = { timeoutMs: 120_000, intervalMs: 50 };

interface EndpointView {
  breaker: { state: string; openUntil: string | null };
  healthScore: number;
}

let installation: Installation;
let receiver: Receiver;
let posthorn: Posthorn;

beforeAll(async () => {
  installation = await startInstallation();
  ({ receiver, front: posthorn } = installation);
}, INSTALLATION_MS);
afterAll(() => installation.close(), INSTALLATION_MS);

const requestsOf = (path: string) => receiver.requests.filter((request) => request.path === path);

async function endpointOf(id: string): Promise<EndpointView> {
  return (await expectStatus(posthorn.call<EndpointView>('GET', `/v1/endpoints/${id}`), 200)).body;
}

async function waitingFor(endpointId: string): Promise<Set<string | null>> {
  const { body } = await posthorn.call<{ data: { waitingFor: string | null }[] }>(
    'GET',
    `/v1/deliveries?endpointId=${endpointId}&status=pending&limit=250`,
  );
  return new Set(body.data.map((delivery) => delivery.waitingFor));
}

describe('an endpoint that is down', () => {
  it('is left alone but for single probes, also by the worker that takes over, and gets everything at once when it is back', async () => {
    let up = false;
    receiver.respondWith(({ path }) => ({ status: path !== '/down' || up ? 200 : 500 }));
    const { id } = await addEndpoint(posthorn, 'acme', {
      url: `${receiver.url}/down`,
      retryPolicy: { delaysSeconds: [3600], maxAttempts: 5 },
    });
    await postEvents(posthorn, 'acme', 200);
    await waitUntil(async () => (await endpointOf(id)).breaker.state === 'open', PATIENT);
    await waitUntil(async () => (await waitingFor(id)).has('breaker'), PATIENT);
    expect((await endpointOf(id)).healthScore).toBeLessThan(100);

    // Killed while it is open. Nobody hammers: the next owner asks with one.
    await installation.worker.kill();
    const before = requestsOf('/down').length;
    // Five failures, what was in flight beside them, and a probe or two on a slow machine.
    expect(before).toBeLessThan(25);
    installation.worker = await startBeside(posthorn, ['worker']);
    await waitUntil(
      async () => requestsOf('/down').length > before && (await endpointOf(id)).breaker.state === 'open',
      PATIENT,
    );
    expect(requestsOf('/down').length - before).toBeLessThan(4);
    expect((await ledgerOf(posthorn, 'acme')).pending).toBe(200);

    up = true;
    // Those that were attempted have an hour to wait by their policy.
    await waitUntil(async () => (await ledgerOf(posthorn, 'acme')).delivered === 200, PATIENT);
    expect(await ledgerOf(posthorn, 'acme')).toEqual(allDelivered(200));
    expect((await endpointOf(id)).breaker).toEqual({ state: 'closed', openUntil: null });
  }, 240_000);
});

describe('an endpoint that stays down', () => {
  it('keeps nothing pending for longer than its retry policy and what that says about parking', async () => {
    receiver.respondWith(({ path }) => (path === '/dead' ? { fault: 'reset' } : { status: 200 }));
    const { id } = await addEndpoint(posthorn, 'gone', {
      url: `${receiver.url}/dead`,
      retryPolicy: { delaysSeconds: [1, 2, 3], maxAttempts: 4, parkedMaxSeconds: 20 },
    });
    await postEvents(posthorn, 'gone', 200);
    const { body } = await posthorn.call<{ data: { createdAt: string; expiresAt: string }[] }>(
      'GET',
      `/v1/deliveries?endpointId=${id}&limit=1`,
    );
    const [{ createdAt, expiresAt }] = body.data as [{ createdAt: string; expiresAt: string }];
    // All delays with their longest jitter, and the time to be parked.
    expect(Date.parse(expiresAt) - Date.parse(createdAt)).toBe(6_090 + 20_000);

    await waitUntil(async () => (await ledgerOf(posthorn, 'gone')).pending === 0, {
      ...PATIENT,
      timeoutMs: 180_000,
    });
    expect(await ledgerOf(posthorn, 'gone')).toMatchObject({ accepted: 200, deadLettered: 200 });
    const { body: ended } = await posthorn.call<{ data: { reason: string }[] }>(
      'GET',
      `/v1/deliveries?endpointId=${id}&status=dead_lettered&limit=250`,
    );
    const reasons = new Set(ended.data.map(({ reason }) => reason));
    expect(reasons).toContain('expired_by_breaker');
    reasons.delete('attempts_exhausted');
    expect([...reasons]).toEqual(['expired_by_breaker']);
    // A breaker's probes and what was under way before, not 200 times four.
    expect(requestsOf('/dead').length).toBeLessThan(50);
  }, 240_000);
});

describe('two endpoints of one customer', () => {
  it('do not wait for each other: one hangs, the other gets everything', async () => {
    receiver.respondWith(({ path }) => (path === '/hangs' ? { fault: 'hang' } : { status: 200 }));
    await addEndpoint(posthorn, 'pair', { url: `${receiver.url}/hangs` });
    await addEndpoint(posthorn, 'pair', { url: `${receiver.url}/works` });
    await postEvents(posthorn, 'pair', 50);
    await receiver.waitFor(() => requestsOf('/works').length === 50, PATIENT);
    // All of them while what hangs has ended at most twice over: its timeout is 15 s.
    expect(requestsOf('/hangs').length).toBeLessThanOrEqual(20);
  }, 150_000);
});

describe('a rate limit', () => {
  it('holds at the receiver, evenly, also while the customer changes hands', async () => {
    receiver.respondWith(() => ({ status: 200 }));
    await addEndpoint(posthorn, 'paced', {
      url: `${receiver.url}/paced`,
      rateLimit: { max: 10, perSeconds: 1 },
    });
    await postEvents(posthorn, 'paced', 40);
    await receiver.waitFor(() => requestsOf('/paced').length >= 15, PATIENT);
    const next = await startBeside(posthorn, ['worker']);
    await installation.worker.stop();
    installation.worker = next;
    await receiver.waitFor(() => requestsOf('/paced').length === 40, PATIENT);
    const at = requestsOf('/paced').map((request) => request.at.getTime());
    // 39 intervals of a tenth of a second; the first of them may have been seen late.
    expect((at[39] ?? 0) - (at[0] ?? 0)).toBeGreaterThan(3_500);
    for (let i = 20; i < at.length; i += 1) expect((at[i] ?? 0) - (at[i - 20] ?? 0)).toBeGreaterThan(1_400);
  }, 150_000);
});
