import type { DeliveryResource } from './deliveries.js';
import { Joi } from './strict-joi.js';

/** A delivery in a message of a stream, as it was when it was read. */
export type StreamedDeliveryResource = Omit<
  DeliveryResource,
  'waitingFor' | 'expiresAt' | 'lastAttemptAt' | 'lastError'
>;

export const lastEventId = Joi.string().description(
  'The last `id` that was received (opaque). The stream continues after it.',
);
