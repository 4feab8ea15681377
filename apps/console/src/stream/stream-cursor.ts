import type { ChangePosition } from '@posthorn/delivery/stream';
import { AppError } from '@posthorn/http';
import { type SecretBox, SecretBoxError } from '@posthorn/runtime';

/** More than a server has connections, as a rule. */
const OPEN_MAX = 500;
/** The time, the next transaction and how many are open; then each open one, by how far it is behind. */
const HEAD_BYTES = 18;
const OPEN_BYTES = 4;
/** Of all but a crowd the length tells nothing: with up to 27 open transactions it is the first, with more the second. */
const SIZES = [128, 2_048];

const sealedForm = /^[A-Za-z0-9_-]{100,4000}$/;
/** How earlier versions wrote it, for all to read. */
const openForm = /^\d{1,18}(\.\d{1,18}){1,501}$/;
/** Further back than anybody resumes from: the answer is a gap, and what comes from now on. */
const tooLongAgo: ChangePosition = { sinceMs: 0, nextXid: '0', openXids: [] };

export interface StreamCursors {
  /** The position as the `id` of a message. Past the limit it is one further back, so some changes are sent twice. */
  write(position: ChangePosition): string;
  /** Null without one. Throws `invalid_request` for what is no `id` of this customer's stream. */
  read(text: string | null): ChangePosition | null;
}

/**
 * The ids of a customer's stream. A position is made of numbers of transactions, which count what all customers do, so it is
 * sealed, for this customer's stream alone, and always as long. Each customer has a key of its own, derived from the
 * keyring: any process opens it, before and after a restart. Of a key that is gone, and of the form of earlier versions,
 * the reader hears that there is a gap: refused, it would go on asking with the same id.
 */
export function createStreamCursors(secretBox: SecretBox, customerId: string): StreamCursors {
  const box = secretBox.derive(`stream of ${customerId}`);
  return {
    write: (position) => box.seal(pack(position), CONTEXT).toString('base64url'),
    read(text) {
      if (text === null) return null;
      if (openForm.test(text)) return tooLongAgo;
      if (!sealedForm.test(text)) throw noCursor();
      try {
        return unpack(box.open(Buffer.from(text, 'base64url'), CONTEXT));
      } catch (error) {
        if (!(error instanceof SecretBoxError)) throw error;
        if (error.code === 'unknown_key') return tooLongAgo;
        throw noCursor();
      }
    },
  };
}

const CONTEXT = 'stream cursor';

function pack({ nextXid, openXids, sinceMs }: ChangePosition): Buffer {
  const open = openXids.map(BigInt);
  const next = BigInt(nextXid);
  const tooMany = open.length > OPEN_MAX;
  const from = tooMany ? open.reduce((least, xid) => (xid < least ? xid : least), next) : next;
  const behind = tooMany ? [] : open.map((xid) => Number(next - xid));
  const bytes = HEAD_BYTES + OPEN_BYTES * behind.length;
  const packed = Buffer.alloc(SIZES.find((size) => size >= bytes) ?? bytes);
  packed.writeBigUInt64BE(BigInt(sinceMs), 0);
  packed.writeBigUInt64BE(from, 8);
  packed.writeUInt16BE(behind.length, 16);
  behind.forEach((distance, index) => packed.writeUInt32BE(distance, HEAD_BYTES + OPEN_BYTES * index));
  return packed;
}

function unpack(packed: Buffer): ChangePosition {
  const next = packed.readBigUInt64BE(8);
  const openXids = Array.from({ length: packed.readUInt16BE(16) }, (_, index) =>
    String(next - BigInt(packed.readUInt32BE(HEAD_BYTES + OPEN_BYTES * index))),
  );
  const sinceMs = Math.min(Number(packed.readBigUInt64BE(0)), Date.now());
  return { sinceMs, nextXid: String(next), openXids };
}

function noCursor(): AppError {
  return new AppError({
    code: 'invalid_request',
    detail: 'The Last-Event-ID is not the id of a message of this stream.',
    errors: [
      {
        path: 'Last-Event-ID',
        message: 'must be the id of the last message that was read of this stream; leave it out to begin now',
      },
    ],
  });
}
