import type { FieldError, ProblemCode } from '../problem.js';

export const exampleRequestId = '6f1c9a52-0d5e-4a53-9a53-0d5e6f1c9a52';

/** What each problem says to a person, for example. */
export const exampleDetails: Readonly<Record<ProblemCode, string>> = {
  invalid_request: 'Some members of the body are missing, unknown or not valid.',
  unauthorized: 'Send a valid API key as Authorization: Bearer phk_….',
  forbidden: 'This needs an API key with the scope admin; this one has read.',
  not_found: 'It does not exist, or this caller has no access to it.',
  method_not_allowed: 'POST is not allowed here; allowed: GET, HEAD. The operations are at /docs.',
  conflict: 'The endpoint is disabled.',
  idempotency_conflict: 'The idempotency key or externalId was used for a different request.',
  delivery_in_flight: 'The delivery is being sent or is about to be; try again after that attempt.',
  replay_in_progress:
    'The customer has a replay that is running or paused; wait until it ends, or cancel it.',
  payload_too_large: 'The body is larger than 262144 bytes; send less at once.',
  unsupported_media_type: 'The Content-Type must be application/json; there is none.',
  unprocessable: 'Posthorn does not send to this URL.',
  rate_limited: 'No more than 100 requests in 1 s; wait for the seconds in Retry-After.',
  internal_error: 'An internal error happened; search the logs for the request id.',
  unavailable: 'The database cannot be reached.',
};

/** What is wrong in the request, where a problem says so. */
export const exampleErrors: Readonly<Partial<Record<ProblemCode, readonly FieldError[]>>> = {
  invalid_request: [{ path: 'eventTypes.0', message: '"eventTypes[0]" must be a string' }],
  unprocessable: [
    {
      path: 'url',
      message:
        'The target is not a public address. The operator can allow private addresses with POSTHORN_ALLOW_TARGETS, such ' +
        'as 10.0.0.0/8.',
    },
  ],
};
