/** The stable codes of problem documents (RFC 9457), each with its status and title. */
export const problemCodes = {
  invalid_request: { status: 400, title: 'The request is not valid' },
  unauthorized: { status: 401, title: 'A valid API key is required' },
  forbidden: { status: 403, title: 'The API key does not allow this' },
  not_found: { status: 404, title: 'Not found' },
  method_not_allowed: { status: 405, title: 'Method not allowed' },
  conflict: { status: 409, title: 'Conflict with the current state' },
  idempotency_conflict: { status: 409, title: 'The idempotency key was used for another request' },
  delivery_in_flight: { status: 409, title: 'The delivery is being attempted right now' },
  replay_in_progress: { status: 409, title: 'A replay is already in progress' },
  payload_too_large: { status: 413, title: 'The payload is too large' },
  unsupported_media_type: { status: 415, title: 'Unsupported media type' },
  unprocessable: { status: 422, title: 'The request is well-formed but refused' },
  rate_limited: { status: 429, title: 'Too many requests' },
  internal_error: { status: 500, title: 'Internal error' },
  unavailable: { status: 503, title: 'Temporarily unavailable' },
} as const;

export type ProblemCode = keyof typeof problemCodes;

/** Where in the request something is wrong: `path` is dotted (`events.3.type`), empty for the whole. */
export interface FieldError {
  path: string;
  message: string;
}

export interface ProblemDocument {
  /** A reference, relative to the server, to the description of the code. */
  type: string;
  title: string;
  status: number;
  code: ProblemCode;
  detail: string;
  requestId: string;
  errors?: FieldError[];
}

export interface ProblemFacts {
  code: ProblemCode;
  detail: string;
  requestId: string;
  errors?: readonly FieldError[] | undefined;
}

export function problemDocument({ code, detail, requestId, errors }: ProblemFacts): ProblemDocument {
  const { status, title } = problemCodes[code];
  return {
    type: `/docs#problem-${code}`,
    title,
    status,
    code,
    detail,
    requestId,
    ...(errors && { errors: [...errors] }),
  };
}
