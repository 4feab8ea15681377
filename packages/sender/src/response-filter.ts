import type { Socket } from 'node:net';
import type { AttemptErrorCode } from '@posthorn/domain';
import {
  headBytesMax,
  type LenientHead,
  ordinaryHeadLength,
  readLenientHead,
  startsInterimHead,
} from './response-head.js';
import { ResponseFailure } from './response-failure.js';

/**
 * Stands between a socket and undici's parser, which takes a response in the ordinary form only. It drops interim
 * responses, gives an ordinary head on untouched, and puts a plain head before the body of any other response that can
 * be understood; such a response closes its connection. What cannot be understood closes the socket with a
 * `ResponseFailure`.
 */
export class ResponseFilter {
  /** What an unusual head says. Null as long as undici reads the head itself. */
  unusualHead: LenientHead | null = null;
  /** The head was longer than what is read: the status counts, the rest is not read. */
  headCut = false;
  readonly #socket: Socket;
  #awaitsHead = false;
  #parts: Buffer[] = [];
  #partsBytes = 0;
  #interimBytes = 0;
  #bytesAfterHead = 0;
  /** Of the line that is not complete yet, without CR. */
  #lineBytes = 0;
  #inHead = false;

  constructor(socket: Socket) {
    this.#socket = socket;
    const read = socket.read.bind(socket) as (size?: number) => Buffer | null;
    socket.read = (size?: number) => {
      if (size !== undefined) return read(size);
      if (!this.#awaitsHead) return this.#countAfterHead(read());
      for (let chunk = read(); chunk !== null; chunk = read()) {
        const passed = this.#takeChunk(chunk);
        if (passed !== null) return passed;
      }
      return null;
    };
    socket.on('end', () => this.#onEnd());
  }

  /** To be called when a request is written: what comes from now on is its response. */
  expectResponse(): void {
    this.#awaitsHead = true;
    this.unusualHead = null;
    this.headCut = false;
    this.#interimBytes = 0;
    this.#bytesAfterHead = 0;
    this.#startHead();
  }

  /** Chunk extensions count for no body: without an end to them, a response of a few bytes would be read for ever. */
  #countAfterHead(chunk: Buffer | null): Buffer | null {
    this.#bytesAfterHead += chunk?.length ?? 0;
    return this.#bytesAfterHead > bytesAfterHeadMax ? this.#fail('response_chunk_invalid') : chunk;
  }

  /** Bytes for undici, or null when they are only a part of a head. */
  #takeChunk(chunk: Buffer): Buffer | null {
    if (this.#partsBytes === 0 && ordinaryHeadLength(chunk) > 0) {
      this.#awaitsHead = false;
      return chunk;
    }
    let rest = chunk;
    while (rest.length > 0) {
      const headEnd = this.#findHeadEnd(rest);
      this.#add(headEnd === -1 ? rest : rest.subarray(0, headEnd));
      if (!this.#startsLikeHttp()) return null;
      if (headEnd === -1) return this.#partsBytes > headReadMax ? this.#cutHead() : null;
      const head = this.#joinParts();
      rest = rest.subarray(headEnd);
      this.#startHead();
      const passed = this.#takeHead(head, rest);
      if (passed !== null || !this.#awaitsHead) return passed;
    }
    return null;
  }

  #takeHead(head: Buffer, rest: Buffer): Buffer | null {
    if (ordinaryHeadLength(head) > 0) {
      this.#awaitsHead = false;
      return rest.length === 0 ? head : Buffer.concat([head, rest]);
    }
    if (startsInterimHead(head)) return this.#dropInterim(head);
    const lenient = readLenientHead(head);
    const { statusCode, framing } = lenient;
    if (statusCode === null) return this.#fail('response_status_line_invalid');
    if (statusCode >= 100 && statusCode < 200 && statusCode !== 101) return this.#dropInterim(head);
    this.unusualHead = lenient;
    if (statusCode === 101) return this.#fail('response_upgrade');
    if (framing.body === 'invalid') return this.#fail(framing.error);
    this.#awaitsHead = false;
    return Buffer.concat([plainHead(lenient), rest]);
  }

  #dropInterim(head: Buffer): null {
    this.#interimBytes += head.length;
    return this.#interimBytes > interimBytesMax ? this.#fail('response_interim_only') : null;
  }

  #cutHead(): Buffer | null {
    const bytes = this.#joinParts();
    const { statusCode, headers } = readLenientHead(bytes);
    if (statusCode === null || !bytes.includes('\n')) return this.#fail('response_status_line_invalid');
    if (statusCode < 200 && statusCode >= 100) return this.#fail('response_interim_only');
    this.#awaitsHead = false;
    this.headCut = true;
    this.unusualHead = { statusCode, headers, framing: { body: 'none' } };
    return plainHead({ ...this.unusualHead, framing: { body: 'length', bytes: 0 } });
  }

  /** The index after the blank line that ends the head; -1 when there is none yet. Blank lines before it are no end. */
  #findHeadEnd(bytes: Buffer): number {
    for (let i = 0; i < bytes.length; i++) {
      const byte = bytes[i];
      if (byte === 10) {
        if (this.#lineBytes === 0 && this.#inHead) return i + 1;
        this.#lineBytes = 0;
      } else if (byte !== 13) {
        this.#lineBytes++;
        this.#inHead = true;
      }
    }
    return -1;
  }

  #add(bytes: Buffer): void {
    this.#parts.push(bytes);
    this.#partsBytes += bytes.length;
    // A head that comes byte by byte would cost several hundred times its size.
    if (this.#parts.length >= partsMax) this.#parts = [this.#joinParts()];
  }

  #joinParts(): Buffer {
    const [first] = this.#parts;
    return first !== undefined && this.#parts.length === 1 ? first : Buffer.concat(this.#parts);
  }

  #startsLikeHttp(): boolean {
    // Once enough was seen, it has been checked.
    if (this.#checkedBytes >= 64) return true;
    const start = this.#joinParts().subarray(0, 64);
    this.#checkedBytes = start.length;
    const text = start
      .toString('latin1')
      .replace(/^[\r\n]+/, '')
      .slice(0, 5)
      .toUpperCase();
    if ('HTTP/'.startsWith(text)) return true;
    this.#fail(protocolOf(start));
    return false;
  }
  #checkedBytes = 0;

  #onEnd(): void {
    if (!this.#awaitsHead || !this.#inHead) return;
    const bytes = this.#joinParts();
    if (bytes.includes('\n')) {
      const head = readLenientHead(bytes);
      if (head.statusCode === null) {
        this.#fail('response_status_line_invalid');
        return;
      }
      this.unusualHead = head;
    }
    this.#fail('response_incomplete');
  }

  #startHead(): void {
    this.#parts = [];
    this.#partsBytes = this.#lineBytes = this.#checkedBytes = 0;
    this.#inHead = false;
  }

  #fail(code: AttemptErrorCode): null {
    this.#awaitsHead = false;
    this.#socket.destroy(new ResponseFailure(code));
    return null;
  }
}

/** What is read of one head. More than is stored: fields that delimit the body may come late. */
const headReadMax = 4 * headBytesMax;
/** Some thousand of them. */
const interimBytesMax = 65_536;
/** More than twice what a body of the stored length takes in chunks of one byte. */
const bytesAfterHeadMax = 262_144;
const partsMax = 256;

/** The status code undici accepts in the place of one it does not know (RFC 9110 section 15: as if it were a 5xx). */
function plainHead({ statusCode, framing }: LenientHead): Buffer {
  const status = statusCode === null || statusCode < 200 ? 500 : statusCode;
  const delimiter =
    framing.body === 'length'
      ? `content-length: ${framing.bytes}\r\n`
      : framing.body === 'chunked'
        ? 'transfer-encoding: chunked\r\n'
        : '';
  return Buffer.from(`HTTP/1.1 ${status} \r\n${delimiter}connection: close\r\n\r\n`, 'latin1');
}

function protocolOf(start: Buffer): AttemptErrorCode {
  const [type, major] = start;
  if ((type === 0x15 || type === 0x16) && major === 3) return 'response_tls_expected';
  // A SETTINGS or GOAWAY frame on stream 0 (RFC 9113 section 4.1), or the client's own preface.
  const isHttp2Frame =
    start.length >= 9 && start[0] === 0 && (start[3] === 4 || start[3] === 7) && start.readUInt32BE(5) === 0;
  if (isHttp2Frame || start.toString('latin1').startsWith('PRI * HTTP/2')) return 'response_http2_only';
  return 'response_not_http';
}
