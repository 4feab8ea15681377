import { idempotencyHeaders, type Operation } from '@posthorn/api-contract';
import type { IdempotentAnswerStore, Transaction } from '@posthorn/database';
import { type HttpResponse, AppError, type OperationRequest } from '@posthorn/http';

/**
 * Answers a POST that creates something. With an `Idempotency-Key` a repeat by the same API key gets the first answer,
 * and creates nothing; the same key with another request is refused. What the work creates belongs into `tx`, so that it
 * is there if and only if its answer is. A refusal is thrown, and not kept.
 */
export async function respondIdempotently<P, Q, B, R extends HttpResponse>(
  answers: IdempotentAnswerStore,
  { operationId }: Pick<Operation, 'operationId'>,
  { caller, params, body, idempotencyKey }: OperationRequest<P, Q, B>,
  customerId: string | null,
  work: (tx: Transaction) => Promise<R>,
): Promise<R> {
  const outcome = await answers.answerOnce(
    {
      callerId: caller.id,
      key: idempotencyKey,
      fingerprint: [operationId, params, body],
      customerId,
    },
    work,
  );
  switch (outcome.kind) {
    case 'first':
      return outcome.value;
    case 'repeat':
      return {
        ...outcome.value,
        unchanged: true,
        headers: { ...outcome.value.headers, [idempotencyHeaders.replayed]: 'true' },
      };
    case 'mismatch':
      throw new AppError({
        code: 'idempotency_conflict',
        detail: 'The Idempotency-Key was used for a different request.',
      });
  }
}
