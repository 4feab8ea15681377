import type { AttemptErrorCode } from '@posthorn/domain';

/** The head of a response as people and servers mean it, where it is not the ordinary form. */
export interface LenientHead {
  /** Null when the first line is no status line. */
  readonly statusCode: number | null;
  /** Names in lower case; the beginning, within the limits of what is stored. */
  readonly headers: Readonly<Record<string, string>>;
  readonly framing: Framing;
}

/** How the body after this head is delimited (RFC 9112 section 6.3). */
export type Framing =
  | { readonly body: 'none' | 'chunked' | 'until_close' }
  | { readonly body: 'length'; readonly bytes: number }
  | { readonly body: 'invalid'; readonly error: AttemptErrorCode };

export const headBytesMax = 16_384;
export const headFieldsMax = 100;

/**
 * The length of the head at the start of these bytes when it is complete, final (2xx to 9xx) and in the ordinary form
 * of RFC 9112, with at most one way to delimit the body; else 0. One pass and no allocation: each response pays for it.
 */
export function ordinaryHeadLength(bytes: Buffer): number {
  const limit = Math.min(bytes.length, headBytesMax);
  if (limit < 17 || !hasOrdinaryStatus(bytes)) return 0;
  let framings = 0;
  let at = endOfText(bytes, 12, limit);
  for (;;) {
    // `at` is at the CR that ends a line.
    if (bytes[at + 1] !== LF) return 0;
    at += 2;
    if (bytes[at] === CR) return bytes[at + 1] === LF ? at + 2 : 0;
    const nameAt = at;
    while (at < limit && tokenBytes[bytes[at] ?? 0] === 1) at++;
    if (at === nameAt || bytes[at] !== COLON) return 0;
    const nameLength = at - nameAt;
    const valueAt = at + 1;
    at = endOfText(bytes, valueAt, limit);
    if (at >= limit) return 0;
    if (nameLength === 14 && isName(bytes, nameAt, contentLength)) {
      framings++;
      if (!isPlainNumber(bytes, valueAt, at)) return 0;
    } else if (nameLength === 17 && isName(bytes, nameAt, transferEncoding)) {
      framings++;
      if (bytes.toString('latin1', valueAt, at).trim().toLowerCase() !== 'chunked') return 0;
    }
    if (framings > 1) return 0;
  }
}

/** Of the common forms of a 1xx; without reading its fields, of which nothing is used. Not 101, which is final. */
export function startsInterimHead(bytes: Buffer): boolean {
  return /^HTTP\/1\.[01] 1(?!01)\d\d[ \r\n]/.test(bytes.toString('latin1', 0, 13));
}

/** Reads a head line by line as browsers and curl do: any line end, folded lines, what is no field is left out. */
export function readLenientHead(bytes: Buffer): LenientHead {
  const [statusLine = '', ...lines] = bytes
    .toString('utf8')
    .replace(/^[\r\n]+/, '')
    .split(/\r?\n/);
  const status = /^HTTP\/\d+(?:\.\d+)?[ \t]+(\d{3})(?!\d)/i.exec(statusLine)?.[1];
  const statusCode = status === undefined ? null : Number(status);
  const fields = new Map<string, string[]>();
  for (const [name, value] of readFields(lines)) {
    const values = fields.get(name);
    if (values === undefined) fields.set(name, [value]);
    else values.push(value);
  }
  return { statusCode, headers: storedHeaders(fields), framing: framingOf(statusCode, fields) };
}

/** Values come as their bytes. Where those are UTF-8, they are meant as UTF-8; else they are ISO 8859-1. */
export function decodeHeaderValue(value: string): string {
  if (!/[\x80-\xff]/.test(value)) return value;
  const decoded = Buffer.from(value, 'latin1').toString('utf8');
  return decoded.includes('\ufffd') ? value : decoded;
}

const CR = 13;
const LF = 10;
const TAB = 9;
const SPACE = 32;
const COLON = 58;
const DEL = 127;
const statusStart = Buffer.from('HTTP/1.1 ');
const contentLength = Buffer.from('content-length');
const transferEncoding = Buffer.from('transfer-encoding');

/** RFC 9110 section 5.6.2. */
const token = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
const tokenBytes = new Uint8Array(256);
for (let byte = 0; byte < 256; byte++) tokenBytes[byte] = token.test(String.fromCharCode(byte)) ? 1 : 0;

function hasOrdinaryStatus(bytes: Buffer): boolean {
  for (let i = 0; i < 9; i++) if (bytes[i] !== statusStart[i]) return false;
  const after = bytes[12];
  return (
    isDigit(bytes[9]) &&
    (bytes[9] ?? 0) >= 50 &&
    isDigit(bytes[10]) &&
    isDigit(bytes[11]) &&
    (after === SPACE || after === CR)
  );
}

/** Where the text from `at` on ends: at a CR, or at the limit when something comes that no text holds. */
function endOfText(bytes: Buffer, at: number, limit: number): number {
  for (let i = at; i < limit; i++) {
    const byte = bytes[i] ?? 0;
    if (byte >= SPACE ? byte === DEL : byte !== TAB) return byte === CR ? i : limit;
  }
  return limit;
}

function isName(bytes: Buffer, at: number, name: Buffer): boolean {
  for (let i = 0; i < name.length; i++) if (((bytes[at + i] ?? 0) | 32) !== name[i]) return false;
  return true;
}

function isPlainNumber(bytes: Buffer, from: number, to: number): boolean {
  let start = from;
  let end = to;
  while (start < end && bytes[start] === SPACE) start++;
  while (start < end && bytes[end - 1] === SPACE) end--;
  if (end - start < 1 || end - start > 15) return false;
  for (let i = start; i < end; i++) if (!isDigit(bytes[i])) return false;
  return true;
}

function isDigit(byte: number | undefined): boolean {
  return byte !== undefined && byte >= 48 && byte <= 57;
}

function* readFields(lines: readonly string[]): Generator<[name: string, value: string]> {
  let name = '';
  let value = '';
  for (const line of lines) {
    if (line.startsWith(' ') || line.startsWith('\t')) {
      value += ` ${line.trim()}`;
      continue;
    }
    if (name !== '') yield [name, cleanValue(value)];
    const colon = line.indexOf(':');
    name = colon === -1 ? '' : line.slice(0, colon).trimEnd().toLowerCase();
    if (!token.test(name)) name = '';
    value = line.slice(colon + 1);
  }
  if (name !== '') yield [name, cleanValue(value)];
}

/** RFC 9110 section 5.5: what a value may not hold is replaced by a space. */
function cleanValue(value: string): string {
  // eslint-disable-next-line no-control-regex
  return decodeHeaderValue(value.replace(/[\x00-\x08\x0a-\x1f\x7f]/g, ' ').trim());
}

function storedHeaders(fields: ReadonlyMap<string, readonly string[]>): Record<string, string> {
  const stored: Record<string, string> = {};
  let room = headBytesMax;
  for (const [name, values] of [...fields].slice(0, headFieldsMax)) {
    const value = values.join(', ');
    room -= Buffer.byteLength(name) + Buffer.byteLength(value);
    if (room >= 0) stored[name] = value;
  }
  return stored;
}

function framingOf(statusCode: number | null, fields: ReadonlyMap<string, readonly string[]>): Framing {
  if (statusCode === 204 || statusCode === 304) return { body: 'none' };
  const codings = listOf(fields.get('transfer-encoding')).filter((coding) => coding !== 'identity');
  if (codings.length > 0) {
    const chunkedAt = codings.indexOf('chunked');
    if (chunkedAt === -1) return { body: 'until_close' };
    return chunkedAt === codings.length - 1
      ? { body: 'chunked' }
      : { body: 'invalid', error: 'response_transfer_encoding_invalid' };
  }
  const lengths = fields.get('content-length')?.join(',').split(',');
  if (lengths === undefined) return { body: 'until_close' };
  // Compared as text: as numbers, ten thousand of them, or one of ten thousand digits, would hold up the process.
  const [first = '', ...others] = lengths.map((length) => length.trim().replace(/^0+(?=\d)/, ''));
  if (!/^\d+$/.test(first) || others.some((length) => length !== first)) {
    return { body: 'invalid', error: 'response_length_invalid' };
  }
  return { body: 'length', bytes: Math.min(Number(first), Number.MAX_SAFE_INTEGER) };
}

function listOf(values: readonly string[] | undefined): string[] {
  const items = values?.join(',').split(',') ?? [];
  return items.map((item) => item.trim().toLowerCase()).filter((item) => item !== '');
}
