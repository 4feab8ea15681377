import { createHash } from 'node:crypto';
import type { SecretBox } from '@posthorn/runtime';
import type { PrismaClient, Transaction } from '../database.js';

/** For a connection, and for the work; a repeat that comes meanwhile waits with it. */
const TIMEOUT_MS = 20_000;

export interface IdempotentRequest {
  /** Id of the API key that asks: keys of different callers never meet. */
  callerId: string;
  /** Null: the work is done, and nothing is kept. */
  key: string | null;
  /** Everything that has to be the same for another request to count as a repeat. */
  fingerprint: readonly unknown[];
  /** Whose data the answer shows, so that it is erased with the customer; null for nobody's. */
  customerId: string | null;
}

/** `mismatch`: the key was used for another request. */
export type IdempotentOutcome<T> =
  { kind: 'first'; value: T } | { kind: 'repeat'; value: T } | { kind: 'mismatch' };

export interface IdempotentAnswerStore {
  /**
   * Does the work, in a transaction, once per caller and key. The value is kept, sealed, in the transaction of the work: a process that dies
   * leaves both or neither. A repeat gets the value of the first; one that comes while the first is at work waits for it.
   * When the work throws, nothing is kept and a repeat does it again. The value has to survive JSON.
   */
  answerOnce<T>(
    request: IdempotentRequest,
    work: (tx: Transaction) => Promise<T>,
  ): Promise<IdempotentOutcome<T>>;
}

export function createIdempotentAnswerStore({
  prisma,
  secretBox,
}: {
  prisma: PrismaClient;
  secretBox: SecretBox;
}): IdempotentAnswerStore {
  return {
    async answerOnce<T>(
      { callerId, key, fingerprint, customerId }: IdempotentRequest,
      work: (tx: Transaction) => Promise<T>,
    ) {
      const limits = { timeout: TIMEOUT_MS, maxWait: TIMEOUT_MS };
      if (key === null) return { kind: 'first', value: await prisma.$transaction(work, limits) };
      const keyHash = sha256(key);
      const requestHash = sha256(JSON.stringify(fingerprint));
      const context = answerContext(`${callerId}:${Buffer.from(keyHash).toString('hex')}`);
      const where = { callerId_keyHash: { callerId, keyHash } };
      return prisma.$transaction<IdempotentOutcome<T>>(async (tx) => {
        // The key's row of a request that is underway is waited for here.
        const { count } = await tx.idempotentAnswer.createMany({
          data: { callerId, keyHash, requestHash, customerId },
          skipDuplicates: true,
        });
        if (count === 1) {
          const value = await work(tx);
          const sealed = Uint8Array.from(secretBox.seal(JSON.stringify(value), context));
          await tx.idempotentAnswer.update({ where, data: { sealed } });
          return { kind: 'first', value };
        }
        const kept = await tx.idempotentAnswer.findUniqueOrThrow({ where });
        if (!kept.sealed || !Buffer.from(kept.requestHash).equals(requestHash)) return { kind: 'mismatch' };
        const value = JSON.parse(secretBox.open(kept.sealed, context).toString('utf8')) as T;
        return { kind: 'repeat', value };
      }, limits);
    },
  };
}

/** What an answer is sealed for: its caller's id and the hash of its key, in hex. */
export function answerContext(owner: string): string {
  return `idempotent_answer:${owner}`;
}

function sha256(text: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(createHash('sha256').update(text).digest());
}
