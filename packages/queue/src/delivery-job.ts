import type { HealthSignal } from '@posthorn/domain';

/** One duty to send, as the queue carries it: ids only, never payloads. Ids are canonical lower-case uuids. */
export interface DeliveryJob {
  readonly customerId: string;
  readonly endpointId: string;
  readonly deliveryId: string;
  readonly eventId: string;
  /** The delivery's generation; a job of another generation is dropped by whoever handles it. */
  readonly generation: number;
  /** How long until it is due, counted from now; 0 is at once. */
  readonly delayMs: number;
}

/** A job as its handler gets it. */
export type LaneJob = Omit<DeliveryJob, 'delayMs'>;

/** What the handler decided: the job is over, or the same job is due again after a delay; and what it says of the endpoint. */
export type JobVerdict = (
  { readonly kind: 'done' } | { readonly kind: 'retry'; readonly delayMs: number }
) & {
  /** Left out when nothing was sent. */
  readonly healthSignal?: HealthSignal;
};
