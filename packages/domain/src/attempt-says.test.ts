import { describe, expect, it } from '@jest/globals';
import type { RecordedOutcome } from './attempt-outcome.js';
import { whatAttemptSays } from './attempt-says.js';

describe('what an attempt says about its endpoint', () => {
  const says = (
    status: RecordedOutcome['status'],
    responseCode: number | null,
    responseHeaders: Record<string, string> | null = {},
  ) =>
    whatAttemptSays(
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
  ] as const)('%s with %s is a %s', (status, code, sign) => {
    expect(says(status, code)).toEqual({ sign, slowDownMs: 0 });
  });

  it('is a pause when it asks for one with 429 or 503, and with nothing else', () => {
    const headers = { 'retry-after': '30' };
    expect(says('failed', 429, headers)).toEqual({ sign: 'neutral', slowDownMs: 30_000 });
    expect(says('failed', 503, headers)).toEqual({ sign: 'failure', slowDownMs: 30_000 });
    expect(says('failed', 500, headers).slowDownMs).toBe(0);
    expect(says('delivered', 200, headers).slowDownMs).toBe(0);
    expect(says('failed', 429, { 'retry-after': 'soon' }).slowDownMs).toBe(0);
  });
});
