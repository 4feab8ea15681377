import { idempotencyHeaders, idempotencyKey, validateValue } from '@posthorn/api-contract';
import type { Request } from 'express';

import { AppError } from './app-error.js';

/** The request's Idempotency-Key, or null. Throws `invalid_request` for one that is none. */
export function readIdempotencyKey(request: Request): string | null {
  const header = request.headers[idempotencyHeaders.key];
  if (header === undefined) return null;
  const key = validateValue(idempotencyKey, header, { convert: false });
  if (key.ok) return key.value;
  throw new AppError({
    code: 'invalid_request',
    detail: 'The Idempotency-Key must be 1 to 255 printable ASCII characters.',
    errors: key.errors.map(({ message }) => ({ path: 'Idempotency-Key', message })),
  });
}
