import type { NewsPlace } from '@posthorn/database';
import { AppError } from '@posthorn/http';

/** More than a server has connections, as a rule. */
const OPEN_MAX = 500;

/** The place as the `id` of a message. Past the limit it is one further back, from which some is told again. */
export function writeStreamCursor({ nextXid, openXids, sinceMs }: NewsPlace): string {
  const tooMany = openXids.length > OPEN_MAX;
  const oldest = openXids.reduce((least, xid) => (BigInt(xid) < BigInt(least) ? xid : least), nextXid);
  return [sinceMs, tooMany ? oldest : nextXid, ...(tooMany ? [] : openXids)].join('.');
}

/** Null without one. Throws `invalid_request` for what is no `id` of ours. */
export function readStreamCursor(text: string | null): NewsPlace | null {
  if (text === null) return null;
  const [since, nextXid, ...openXids] = text.split('.');
  const isPlace =
    /^\d{1,18}(\.\d{1,18})+$/.test(text) &&
    since !== undefined &&
    nextXid !== undefined &&
    openXids.length <= OPEN_MAX;
  if (isPlace) return { sinceMs: Math.min(Number(since), Date.now()), nextXid, openXids };
  throw new AppError({
    code: 'invalid_request',
    detail: 'The Last-Event-ID is not the id of a message of this stream.',
    errors: [{ path: 'Last-Event-ID', message: 'must be the id of a message of this stream' }],
  });
}
