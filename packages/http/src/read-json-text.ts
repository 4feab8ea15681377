import { isUtf8 } from 'node:buffer';
import type { IncomingMessage } from 'node:http';

import { AppError } from './app-error.js';
import { findJsonError } from './find-json-error.js';

/** Limit of bodies that hold settings rather than payloads. */
export const jsonBytesMax = 256 * 1024;

export interface ReadJsonOptions {
  bytesMax: number;
  /** `application/json` unless told. */
  mediaTypes?: readonly string[] | undefined;
  /** What an absent body counts as; without it an absent body is refused. */
  emptyAs?: string | undefined;
  /** Told of the bytes as they arrive; the error it gives refuses the request. */
  onBytes?: ((bytes: number) => AppError | null) | undefined;
}

/** The caller went away before the body was complete: there is nobody to answer. */
export class RequestAborted extends Error {
  override readonly name = 'RequestAborted';
}

/**
 * The body as text, byte for byte what was sent: UTF-8 only, no byte order mark, no content coding. Throws AppError for
 * everything else and for more than `bytesMax` bytes; the rest of such a body is not kept, Node discards it.
 */
export async function readJsonText(request: IncomingMessage, options: ReadJsonOptions): Promise<string> {
  if (options.emptyAs !== undefined && hasNoBody(request)) return options.emptyAs;
  checkContentType(request.headers['content-type'], options.mediaTypes ?? defaultTypes);
  checkContentCoding(request.headers['content-encoding']);
  const bytes = await readBytes(request, options);
  if (bytes.length === 0 && options.emptyAs !== undefined) return options.emptyAs;
  return decode(bytes);
}

/** Throws AppError; the parser's own message quotes the body and stays out, but where it stopped is told. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    throw invalid(`The body is not JSON: ${whereOf(text)}.`);
  }
}

function whereOf(text: string): string {
  const error = findJsonError(text);
  if (error === null || error.position === text.length) return 'it ends too early';
  const { position, expected } = error;
  let line = 1;
  let lineStart = 0;
  for (let end = text.indexOf('\n'); end !== -1 && end < position; end = text.indexOf('\n', lineStart)) {
    line += 1;
    lineStart = end + 1;
  }
  return `${expected} is expected at line ${line}, column ${position - lineStart + 1}`;
}

const defaultTypes: readonly string[] = ['application/json'];

function hasNoBody({ headers }: IncomingMessage): boolean {
  return headers['transfer-encoding'] === undefined && (headers['content-length'] ?? '0') === '0';
}

function checkContentType(header: string | undefined, mediaTypes: readonly string[]): void {
  const [type = '', ...parameters] = (header ?? '').split(';');
  if (!mediaTypes.includes(type.trim().toLowerCase())) {
    const found = header === undefined ? 'there is none' : 'it is another one';
    throw unsupported(`The Content-Type must be ${mediaTypes.join(' or ')}; ${found}.`);
  }
  for (const parameter of parameters) {
    const charset = /^\s*charset\s*=\s*"?([^"\s]*)"?\s*$/i.exec(parameter)?.[1];
    if (charset !== undefined && !/^utf-?8$/i.test(charset))
      throw unsupported('The charset must be utf-8, as in application/json; charset=utf-8.');
  }
}

function checkContentCoding(header: string | undefined): void {
  if (header !== undefined && header.trim().toLowerCase() !== 'identity') {
    throw unsupported('Content codings such as gzip are not supported; send the body as it is.');
  }
}

function readBytes(request: IncomingMessage, { bytesMax, onBytes }: ReadJsonOptions): Promise<Buffer> {
  if (Number(request.headers['content-length'] ?? 0) > bytesMax) return Promise.reject(tooLarge(bytesMax));
  if (request.destroyed) return Promise.reject(aborted());
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let length = 0;
    const settle = (end: () => void): void => {
      request.off('data', onData).off('end', onEnd).off('error', onGone).off('close', onGone);
      end();
    };
    const onData = (chunk: Buffer): void => {
      length += chunk.length;
      const refusal = length > bytesMax ? tooLarge(bytesMax) : onBytes?.(chunk.length);
      if (refusal) settle(() => reject(refusal));
      else chunks.push(chunk);
    };
    const onEnd = (): void =>
      settle(() => resolve(chunks.length === 1 && chunks[0] ? chunks[0] : Buffer.concat(chunks, length)));
    const onGone = (): void => settle(() => reject(aborted()));
    request.on('data', onData).on('end', onEnd).on('error', onGone).on('close', onGone);
  });
}

function decode(bytes: Buffer): string {
  if (bytes.length === 0) throw invalid('The body is empty; send a JSON object such as {}.');
  if (bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf) {
    throw invalid('The body begins with a byte order mark; send JSON without it.');
  }
  if (!isUtf8(bytes)) throw invalid('The body is not UTF-8; encode its text as UTF-8.');
  return bytes.toString('utf8');
}

function aborted(): RequestAborted {
  return new RequestAborted('The request ended before its body did');
}

function tooLarge(bytesMax: number): AppError {
  return new AppError({
    code: 'payload_too_large',
    detail: `The body is larger than ${bytesMax} bytes; send less at once.`,
  });
}

function unsupported(detail: string): AppError {
  return new AppError({ code: 'unsupported_media_type', detail });
}

function invalid(detail: string): AppError {
  return new AppError({ code: 'invalid_request', detail });
}
