import { type DeliveryStatus, deliveryStatuses, type RetryPolicyInput } from '@posthorn/domain';

import { attemptError } from './deliveries.js';
import { deliveryHeaders } from './delivery-headers-schema.js';
import { endpointUrl } from './endpoint-url.js';
import { customerId, idInput, idText, time } from './fields.js';
import { retryPolicy } from './retry-policy-schema.js';
import { Joi } from './strict-joi.js';

/** One payload for one URL, after validation. */
export interface DeliverWebhookBody {
  url: string;
  payload: unknown;
  customerId?: string;
  headers: Record<string, string>;
  retryPolicy: RetryPolicyInput | null;
}

export interface AcceptedWebhookResource {
  /** Of the delivery; the receiver gets it as `webhook-id`. */
  id: string;
  status: 'pending';
}

export interface WebhookStatusResource {
  id: string;
  url: string;
  status: DeliveryStatus;
  reason: string | null;
  attempts: number;
  lastAttemptAt: string | null;
  nextAttemptAt: string | null;
  deliveredAt: string | null;
  error: { code: string; message: string } | null;
}

export const deliverWebhookBody = Joi.object<DeliverWebhookBody>({
  url: endpointUrl.required(),
  payload: Joi.any()
    .required()
    .description('Any JSON value. It is the whole body that is sent, as the bytes that were received.'),
  customerId: customerId.description('The customer of the one-shot. Default: the customer of the API key.'),
  headers: deliveryHeaders.default({}),
  retryPolicy: retryPolicy
    .allow(null)
    .default(null)
    .description('When failed attempts are retried; null: the preset `default`.'),
});

const webhookId = idText('delivery')
  .required()
  .description('Id of the delivery. The receiver gets it as `webhook-id`.');

export const acceptedWebhookResource = Joi.object<AcceptedWebhookResource, true>({
  id: webhookId,
  status: Joi.string().valid('pending').required().description('It will be sent.'),
});

export const webhookStatusResource = Joi.object<WebhookStatusResource, true>({
  id: webhookId,
  url: Joi.string().required().description('The URL that it is sent to.'),
  status: Joi.string()
    .valid(...deliveryStatuses)
    .required()
    .description('Status of the delivery.'),
  reason: Joi.string().allow(null).required().description('Why it was not delivered.'),
  attempts: Joi.number().integer().min(0).required().description('Number of attempts so far.'),
  lastAttemptAt: time.allow(null).required(),
  nextAttemptAt: time.allow(null).required().description('Set while it is pending.'),
  deliveredAt: time.allow(null).required(),
  error: attemptError
    .allow(null)
    .required()
    .description('Error of the last attempt; null before the first attempt and after delivery.'),
});

/** The id is a uuid after validation. */
export const webhookParams = Joi.object<{ id: string }>({ id: idInput('delivery').required() });

export interface OneShotSecretResource {
  /** Those that sign, without values; the one without an expiry is current. */
  secrets: { createdAt: string; expiresAt: string | null }[];
}

export const oneShotSecretResource = Joi.object<OneShotSecretResource, true>({
  secrets: Joi.array()
    .items(Joi.object({ createdAt: time.required(), expiresAt: time.allow(null).required() }))
    .required()
    .description('The current secret has no expiry. The others also sign until they expire.'),
});
