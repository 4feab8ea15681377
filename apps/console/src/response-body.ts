import { TextDecoder } from 'node:util';
import { decompress } from './decompress.js';

export interface ReadableBody {
  readonly kind: 'text' | 'binary';
  /** Empty for what is no text. */
  readonly text: string;
  /** What was done to it, or what it is. */
  readonly note: string | null;
  /** There was more of it after decompression. */
  readonly cut: boolean;
}

/** What a stored beginning of a response body says to people, by its Content-Encoding, charset and type. */
export async function readResponseBody(
  stored: Buffer,
  headers: Readonly<Record<string, string>>,
): Promise<ReadableBody> {
  if (stored.length === 0) return { kind: 'text', text: '', note: null, cut: false };
  const { bytes, notes, cut, unreadable } = await decompress(stored, codingsOf(headers));
  const type = (headers['content-type'] ?? '').split(';')[0]?.trim().toLowerCase() ?? '';
  const decoded = unreadable ? null : decode(bytes, type, headers['content-type'] ?? '');
  if (decoded === null) {
    if (!unreadable) notes.push(`Binary (${type === '' ? 'no type given' : type}), ${bytes.length} bytes.`);
    return { kind: 'binary', text: '', note: notes.join(' '), cut };
  }
  if (decoded.note !== null) notes.push(decoded.note);
  return { kind: 'text', text: decoded.text, note: notes.length === 0 ? null : notes.join(' '), cut };
}

/** In the order in which they were applied. */
function codingsOf(headers: Readonly<Record<string, string>>): string[] {
  return `${headers['content-encoding'] ?? ''},${headers['transfer-encoding'] ?? ''}`
    .split(',')
    .map((coding) => coding.trim().toLowerCase())
    .filter((coding) => coding !== '' && coding !== 'identity' && coding !== 'chunked');
}

interface Decoded {
  readonly text: string;
  readonly note: string | null;
}

/** Null when the bytes are no text. */
function decode(bytes: Buffer, type: string, contentType: string): Decoded | null {
  const charset = charsetOfMark(bytes) ?? charsetNamed(contentType) ?? charsetDeclared(bytes, type);
  const decoder = charset === null ? null : decoderFor(charset);
  if (decoder) {
    const text = decoder.decode(bytes, { stream: true });
    return looksLikeText(text) ? { text, note: null } : null;
  }
  const note = charset === null ? null : `The charset ${JSON.stringify(charset.slice(0, 40))} is not known.`;
  const utf8 = decodeStrictly(bytes);
  if (utf8 !== null) return looksLikeText(utf8) ? { text: utf8, note } : null;
  if (binaryType.test(type)) return null;
  const text = new TextDecoder('windows-1252').decode(bytes);
  return looksLikeText(text) ? { text, note } : null;
}

function charsetOfMark(bytes: Buffer): string | null {
  if (bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf) return 'utf-8';
  if (bytes[0] === 0xff && bytes[1] === 0xfe) return 'utf-16le';
  if (bytes[0] === 0xfe && bytes[1] === 0xff) return 'utf-16be';
  return null;
}

function charsetNamed(contentType: string): string | null {
  return /;\s*charset\s*=\s*["']?([^\s;"']+)/i.exec(contentType)?.[1] ?? null;
}

/** In a page or document itself, as browsers look for it: near its start. */
function charsetDeclared(bytes: Buffer, type: string): string | null {
  if (!/html|xml/.test(type)) return null;
  const start = bytes.toString('latin1', 0, 1_024);
  return /<(?:meta\s[^>]*charset|\?xml\s[^>]*encoding)\s*=\s*["']?([\w-]+)/i.exec(start)?.[1] ?? null;
}

function decoderFor(charset: string): TextDecoder | null {
  try {
    return new TextDecoder(charset);
  } catch {
    return null;
  }
}

/** Null when it is not UTF-8. A character that was cut off at the end is left out. */
function decodeStrictly(bytes: Buffer): string | null {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes, { stream: true });
  } catch {
    return null;
  }
}

const binaryType =
  /^(?:(?:image|audio|video|font)\/|application\/(?:octet-stream|pdf|zip|gzip|x-gzip|(?:x-)?protobuf|(?:x-)?msgpack|grpc))/;

function looksLikeText(text: string): boolean {
  if (text.includes('\0')) return false;
  // eslint-disable-next-line no-control-regex
  const odd = text.match(/[\x01-\x08\x0e-\x1a\x1c-\x1f\x7f\ufffd]/g)?.length ?? 0;
  return odd * 20 <= text.length;
}
