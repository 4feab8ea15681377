import type joi from 'joi';

import { allowedForm } from './allowed-form.js';
import { Joi } from './strict-joi.js';

const pageLimitDefault = 50;
const pageLimitMax = 250;

export interface PageQuery {
  limit: number;
  /** Opaque: read it with `decodeCursor`. */
  cursor?: string;
}

/** Newest first. `nextCursor` is null on the last page. */
export interface Page<T> {
  data: T[];
  nextCursor: string | null;
}

export const pageFields = {
  limit: Joi.number()
    .integer()
    .min(1)
    .max(pageLimitMax)
    .default(pageLimitDefault)
    .description('Rows per page.'),
  cursor: allowedForm(
    Joi.string()
      .max(512)
      .pattern(/^[A-Za-z0-9_-]+$/)
      .description('`nextCursor` of the previous page.'),
    'must be the nextCursor of the previous page, as it was received, such as "WyIxIl0"',
  ),
};

export const pageQuery = Joi.object<PageQuery, true>(pageFields);

export function pageOf<T>(item: joi.ObjectSchema<T>): joi.ObjectSchema<Page<T>> {
  return Joi.object<Page<T>>({
    data: Joi.array().items(item).required().description('This page, newest first.'),
    nextCursor: Joi.string().allow(null).required().description('Null on the last page.'),
  });
}

/** Cursors are opaque to callers: the position, the sort key of the last row, can change its form. */
export function encodeCursor(position: readonly string[]): string {
  return Buffer.from(JSON.stringify(position)).toString('base64url');
}

/** The position in a cursor of ours with `length` parts, or null for anything else. */
export function decodeCursor(cursor: string, length: number): string[] | null {
  try {
    const position: unknown = JSON.parse(Buffer.from(cursor, 'base64url').toString('utf8'));
    const isOurs =
      Array.isArray(position) &&
      position.length === length &&
      position.every((part) => typeof part === 'string' && !part.includes('\0'));
    return isOurs ? (position as string[]) : null;
  } catch {
    return null;
  }
}
