import type { Audience, RetryPolicyInput } from '@posthorn/domain';

export interface EventToAccept {
  customerId: string;
  type: string;
  /** The JSON text of `data` as it was received; kept byte for byte. */
  dataSource: string;
  externalId: string | null;
  /** The producer's own time; null takes the time of acceptance. */
  occurredAtMs: number | null;
  idempotencyKey: string | null;
  /** Default: the registered endpoints. */
  audience?: Audience;
}

export interface OneShotToAccept {
  customerId: string;
  url: string;
  /** The JSON text that is sent as the body, kept byte for byte. */
  payloadSource: string;
  headers: Record<string, string>;
  retryPolicy: RetryPolicyInput | null;
  idempotencyKey: string | null;
}
