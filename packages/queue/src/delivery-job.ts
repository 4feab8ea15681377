import type { DeliveryRef, HealthSignal } from '@posthorn/domain';

/** A delivery as it is given to the queue. */
export interface DeliveryJob extends DeliveryRef {
  /** How long until it is due, counted from now. Default 0: at once. */
  readonly delayMs?: number;
}

/** What the handler decided: the job is over, or the same job is due again after a delay; and what it says of the endpoint. */
export type JobVerdict = (
  { readonly kind: 'done' } | { readonly kind: 'retry'; readonly delayMs: number }
) & {
  /** Left out when nothing was sent. */
  readonly healthSignal?: HealthSignal;
};
