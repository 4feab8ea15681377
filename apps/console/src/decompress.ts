import type { Transform } from 'node:stream';
import zlib from 'node:zlib';

export interface Decompressed {
  readonly bytes: Buffer;
  readonly notes: string[];
  readonly cut: boolean;
  /** It is still compressed. */
  readonly unreadable: boolean;
}

/** As much as is stored of a body that is not compressed: neither an answer nor the work for it grows by a bomb. */
const outputMax = 16_384;
const codingsMax = 3;

/** Takes off the codings, the last one first. A stream that breaks off gives what was readable of it. */
export async function decompress(stored: Buffer, codings: readonly string[]): Promise<Decompressed> {
  let bytes = stored;
  let cut = false;
  const notes: string[] = [];
  for (const coding of codings.toReversed().slice(0, codingsMax)) {
    const stream = streamFor(coding, bytes);
    if (stream === null) {
      notes.push(
        `Compressed (${JSON.stringify(coding.slice(0, 40))}) and not readable here, ${bytes.length} bytes.`,
      );
      return { bytes, notes, cut, unreadable: true };
    }
    const output = await run(stream, bytes);
    if (
      isTextByChance(coding, bytes) ||
      (output.bytes.length === 0 && !(await isEmptyStream(coding, bytes)))
    ) {
      notes.push(`Sent as ${coding}, but it is not.`);
      return { bytes, notes, cut, unreadable: false };
    }
    notes.push(`Decompressed from ${coding}.`);
    ({ bytes } = output);
    cut ||= output.cut;
  }
  if (codings.length <= codingsMax) return { bytes, notes, cut, unreadable: false };
  notes.push('It is compressed further.');
  return { bytes, notes, cut, unreadable: true };
}

/** Without a header to tell it by, nearly any text gives some bytes. What `deflate` makes is never printable throughout. */
function isTextByChance(coding: string, bytes: Buffer): boolean {
  return (
    coding === 'deflate' && !hasZlibHeader(bytes) && /^[\t\r\n\x20-\x7e]+$/.test(bytes.toString('latin1'))
  );
}

/** Of what gave no byte: whether it is a whole stream of none, or anything else. */
async function isEmptyStream(coding: string, bytes: Buffer): Promise<boolean> {
  const stream = streamFor(coding, bytes, { whole: true });
  return stream !== null && !(await run(stream, bytes)).broken;
}

function streamFor(coding: string, bytes: Buffer, { whole } = { whole: false }): Transform | null {
  const options = {
    ...(!whole && { finishFlush: zlib.constants.Z_SYNC_FLUSH }),
    chunkSize: outputMax,
  };
  switch (coding) {
    case 'gzip':
    case 'x-gzip':
      return zlib.createGunzip(options);
    case 'deflate':
      return hasZlibHeader(bytes) ? zlib.createInflate(options) : zlib.createInflateRaw(options);
    case 'br':
      return zlib.createBrotliDecompress({
        ...(!whole && { finishFlush: zlib.constants.BROTLI_OPERATION_FLUSH }),
        chunkSize: outputMax,
      });
    case 'zstd':
      return createZstd();
    default:
      return null;
  }
}

/** `deflate` means zlib (RFC 9110 section 8.4.1.2); some servers send what is inside of it only. */
function hasZlibHeader(bytes: Buffer): boolean {
  return bytes.length >= 2 && ((bytes[0] ?? 0) & 15) === 8 && bytes.readUInt16BE(0) % 31 === 0;
}

/** From Node 22.15 on. */
function createZstd(): Transform | null {
  const create = Reflect.get(zlib, 'createZstdDecompress') as ((options: object) => Transform) | undefined;
  return create?.({ chunkSize: outputMax }) ?? null;
}

interface Output {
  readonly bytes: Buffer;
  readonly cut: boolean;
  readonly broken: boolean;
}

function run(stream: Transform, input: Buffer): Promise<Output> {
  return new Promise((resolve) => {
    const parts: Buffer[] = [];
    let length = 0;
    const finish = (broken: boolean) => {
      stream.destroy();
      const cut = length > outputMax;
      resolve({ bytes: Buffer.concat(parts, Math.min(length, outputMax)), cut, broken });
    };
    stream.on('data', (part: Buffer) => {
      parts.push(part);
      length += part.length;
      if (length > outputMax) finish(false);
    });
    stream.on('error', () => finish(true));
    stream.on('end', () => finish(false));
    stream.end(input);
  });
}
