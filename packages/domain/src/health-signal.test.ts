import { describe, expect, it } from '@jest/globals';
import type { RecordedOutcome } from './attempt-outcome.js';
import { signalFromOutcome } from './health-signal.js';

describe('what an attempt says about its endpoint', () => {
  const signalOf = (
    status: RecordedOutcome['status'],
    responseCode: number | null,
    responseHeaders: Record<string, string> | null = {},
  ) =>
    signalFromOutcome(
      {
        status,
        responseCode,
        responseHeaders,
        responseBody: null,
        responseTruncated: false,
        error: null,
        address: null,
        resent: false,
        latencyMs: 1,
        startedAt: new Date(0),
      },
      0,
    );

  it.each([
    ['delivered', 200, 'success'],
    ['failed', 500, 'failure'],
    ['failed', 503, 'failure'],
    ['failed', 404, 'failure'],
    ['failed', null, 'failure'],
    ['timeout', null, 'failure'],
    ['timeout', 429, 'failure'],
    ['refused', null, 'failure'],
    ['failed', 429, 'neutral'],
    ['failed', 410, 'neutral'],
  ] as const)('%s with %s is a %s', (status, code, kind) => {
    expect(signalOf(status, code)).toEqual({ kind, pauseMs: 0 });
  });

  it('is a pause when it asks for one with 429 or 503, and with nothing else', () => {
    const headers = { 'retry-after': '30' };
    expect(signalOf('failed', 429, headers)).toEqual({ kind: 'neutral', pauseMs: 30_000 });
    expect(signalOf('failed', 503, headers)).toEqual({ kind: 'failure', pauseMs: 30_000 });
    expect(signalOf('failed', 500, headers).pauseMs).toBe(0);
    expect(signalOf('delivered', 200, headers).pauseMs).toBe(0);
    expect(signalOf('failed', 429, { 'retry-after': 'soon' }).pauseMs).toBe(0);
  });
});
