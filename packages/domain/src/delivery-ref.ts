/** Which delivery, in which of its generations, and whose: what the queue carries. Ids are canonical lower-case uuids. */
export interface DeliveryRef {
  readonly customerId: string;
  readonly endpointId: string;
  readonly eventId: string;
  readonly deliveryId: string;
  /** Counts how often the delivery was opened: a job of an earlier generation is dropped by its handler. */
  readonly generation: number;
}
