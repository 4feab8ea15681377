import { describe, expect, it } from '@jest/globals';
import { createUuidV7, generateSigningSecret, type Signing } from '@posthorn/domain';

import { buildRequest } from './build-request.js';
import type { ReadyTarget } from './endpoint-cache.js';

const nowMs = Date.UTC(2026, 10, 21, 12);
const eventId = createUuidV7(nowMs);
const delivery = { eventId, body: '{}' } as Parameters<typeof buildRequest>[0];
const secrets = [
  { value: generateSigningSecret(), expiresAt: null },
  { value: generateSigningSecret(), expiresAt: new Date(nowMs + 60_000) },
  { value: generateSigningSecret(), expiresAt: new Date(nowMs + 1) },
];

function build(signing: Signing, headers: Record<string, string> = {}, atMs = nowMs) {
  return buildRequest(delivery, { signing, secrets, headers } as unknown as ReadyTarget, atMs);
}

const signaturesAt = (signing: Signing, atMs: number, name: string, separator: string) =>
  build(signing, {}, atMs).headers[name]?.split(separator).length;

describe('buildRequest', () => {
  it('signs with a secret until the moment it expires, however long the target was cached', () => {
    for (const [atMs, count] of [
      [nowMs, 3],
      [nowMs + 1, 2],
      [nowMs + 60_000, 1],
    ] as const) {
      expect(signaturesAt({ scheme: 'standard' }, atMs, 'webhook-signature', ' ')).toBe(count);
      expect(signaturesAt({ scheme: 'timestamped' }, atMs, 'webhook-signature', ',v1=')).toBe(count + 1);
      expect(signaturesAt({ scheme: 'digest', algorithm: 'sha256' }, atMs, 'x-webhook-signatures', ',')).toBe(
        count === 1 ? undefined : count,
      );
    }
  });

  it('digests with the oldest secret that still signs', () => {
    const signing: Signing = { scheme: 'digest', algorithm: 'sha512' };
    const listed = build(signing).headers['x-webhook-signatures']!.split(',');
    const alone = (atMs: number) => build(signing, {}, atMs).headers['x-webhook-signature'];
    expect([alone(nowMs), alone(nowMs + 1), alone(nowMs + 60_000)]).toEqual(listed.reverse());
  });

  it('leaves out a custom header that could pass for one of ours, however it got here', () => {
    const custom = { 'X-Team': 'billing', 'Webhook-Id': 'x', webhook_signature: 'x', Connection: 'close' };
    const { headers, recordedHeaders } = build({ scheme: 'standard' }, custom);
    const names = ['X-Team', 'content-type', 'webhook-id', 'webhook-timestamp', 'webhook-signature'];
    expect(Object.keys(headers)).toEqual(names);
    expect(Object.keys(recordedHeaders)).toEqual(names);
    expect(recordedHeaders['X-Team']).not.toBe('billing');
  });
});
