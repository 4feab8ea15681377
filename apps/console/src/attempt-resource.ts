import type { AttemptResource } from '@posthorn/api-contract';
import type { Attempt } from '@posthorn/database';

/** `sentBody` is stored once, with the event. */
export function attemptResource(attempt: Attempt, sentBody: string): AttemptResource {
  return {
    number: attempt.number,
    trigger: attempt.trigger,
    status: attempt.status,
    responseCode: attempt.responseCode,
    latencyMs: attempt.latencyMs,
    error:
      attempt.errorCode === null ? null : { code: attempt.errorCode, message: attempt.errorMessage ?? '' },
    request: { headers: attempt.requestHeaders, body: sentBody },
    response: attempt.responseCode === null ? null : responseOf(attempt),
    address: attempt.address,
    resent: attempt.resent,
    startedAt: attempt.startedAt.toISOString(),
    nextAttemptAt: attempt.nextAttemptAt?.toISOString() ?? null,
  };
}

function responseOf({ responseHeaders, responseBody, responseTruncated }: Attempt) {
  return {
    headers: responseHeaders ?? {},
    body: Buffer.from(responseBody ?? []).toString('utf8'),
    truncated: responseTruncated,
  };
}
