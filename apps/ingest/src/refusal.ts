import type { ProblemCode } from '@posthorn/api-contract';
import { operatorCustomerId } from '@posthorn/domain';
import { AppError, type Caller, mayAccess } from '@posthorn/http';
import type { AcceptOutcome, OneShotOutcome } from '@posthorn/delivery/accept';

/** Why an event was not accepted, in the words of the API. */
export interface Refusal {
  code: ProblemCode;
  detail: string;
}

export const internalRefusal: Refusal = {
  code: 'internal_error',
  detail: 'An internal error happened.',
};

export const databaseAway: Refusal = {
  code: 'unavailable',
  detail: 'The database cannot be reached; try again soon.',
};

export function tooLarge(bytesMax: number): Refusal {
  return {
    code: 'payload_too_large',
    detail: `The data is larger than ${bytesMax} bytes; send less, or a link to it.`,
  };
}

/** `data` does not fit the schema that the catalogue has for the type. */
export function unfitData(type: string): Refusal {
  return {
    code: 'unprocessable',
    detail: `The data does not fit the schema of ${type}, which GET /v1/event-types/${type} shows.`,
  };
}

/** Another customer's is answered like one that does not exist; the operator's takes none from anybody. */
export function refusedCustomer(caller: Caller, customerId: string): Refusal | null {
  if (!mayAccess(caller, customerId)) return unknownCustomer;
  return customerId === operatorCustomerId ? reservedCustomer : null;
}

export function errorOf({ code, detail }: Refusal): AppError {
  return new AppError({ code, detail, ...(code === 'unavailable' && { headers: { 'Retry-After': '1' } }) });
}

export function refusalOf(outcome: Exclude<AcceptOutcome | OneShotOutcome, { kind: 'accepted' }>): Refusal {
  switch (outcome.kind) {
    case 'unknown_customer':
      return unknownCustomer;
    case 'idempotency_conflict':
      return {
        code: 'idempotency_conflict',
        detail: 'The idempotency key or externalId was used for a different request.',
      };
    case 'unavailable':
      return unavailableBecause[outcome.because];
  }
}

const unavailableBecause: Record<'overload' | 'fan_out' | 'database', Refusal> = {
  overload: {
    code: 'unavailable',
    detail: 'Too many events are waiting to be committed; try again soon.',
  },
  fan_out: {
    code: 'unavailable',
    detail: 'The events of this customer make more deliveries than can be committed now; try again soon.',
  },
  database: databaseAway,
};

const reservedCustomer: Refusal = {
  code: 'forbidden',
  detail: `The customer ${operatorCustomerId} gets operational events only; send events to another customer.`,
};

const unknownCustomer: Refusal = {
  code: 'not_found',
  detail: 'The customer does not exist; create it with PUT /v1/customers/{customerId}.',
};
