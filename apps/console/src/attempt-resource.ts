import type { AttemptResource } from '@posthorn/api-contract';
import type { Attempt } from '@posthorn/delivery/history';
import { readResponseBody } from './response-body.js';

/** `sentBody` is stored once, with the event. */
export async function attemptResource(attempt: Attempt, sentBody: string): Promise<AttemptResource> {
  return {
    number: attempt.number,
    trigger: attempt.trigger,
    status: attempt.status,
    responseCode: attempt.responseCode,
    latencyMs: attempt.latencyMs,
    error:
      attempt.errorCode === null ? null : { code: attempt.errorCode, message: attempt.errorMessage ?? '' },
    request: { headers: attempt.requestHeaders, body: sentBody },
    response: attempt.responseCode === null ? null : await responseOf(attempt),
    address: attempt.address,
    resent: attempt.resent,
    startedAt: attempt.startedAt.toISOString(),
    nextAttemptAt: attempt.nextAttemptAt?.toISOString() ?? null,
  };
}

async function responseOf({ responseHeaders, responseBody, responseTruncated }: Attempt) {
  const headers = responseHeaders ?? {};
  const stored = Buffer.from(responseBody ?? []);
  const { kind, text, note, cut } = await readResponseBody(stored, headers);
  return {
    headers,
    body: text,
    bodyKind: kind,
    bodyBytes: stored.length,
    bodyNote: note,
    truncated: responseTruncated || cut,
  };
}
