import { type FieldError, type ProblemCode, problemCodes } from '@posthorn/api-contract';

export interface AppErrorFacts {
  code: ProblemCode;
  /** Shown to the caller; what only we should know goes into `cause`. */
  detail: string;
  errors?: readonly FieldError[];
  headers?: Readonly<Record<string, string>>;
  cause?: unknown;
  /** Whoever throws it has logged it, in its own way. */
  logged?: boolean;
}

/** Thrown only to refuse a request; `problemHandler` renders it. */
export class AppError extends Error {
  override readonly name = 'AppError';
  readonly code: ProblemCode;
  readonly status: number;
  readonly errors: readonly FieldError[] | undefined;
  readonly headers: Readonly<Record<string, string>>;
  readonly logged: boolean;

  constructor({ code, detail, errors, headers = {}, cause, logged = false }: AppErrorFacts) {
    super(detail, cause === undefined ? undefined : { cause });
    this.code = code;
    this.status = problemCodes[code].status;
    this.errors = errors;
    this.headers = headers;
    this.logged = logged;
  }
}

/** The same words for what is not there and for what is another customer's. `errors`: why nothing can have such a name. */
export function notFound(errors?: readonly FieldError[]): AppError {
  return new AppError({
    code: 'not_found',
    detail: 'It does not exist, or this caller has no access to it.',
    ...(errors && { errors }),
  });
}

export function unavailable(detail: string, cause?: unknown): AppError {
  return new AppError({ code: 'unavailable', detail, headers: { 'Retry-After': '1' }, cause });
}
