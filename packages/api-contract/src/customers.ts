import { jsonSchemaOf } from './json-schema.js';
import { documented, Joi } from './strict-joi.js';

import { customerId, maxInFlight, type RateLimit, rateLimit, text, time } from './fields.js';
import { endpointUrl } from './endpoint-url.js';

export interface CustomerLimits {
  maxInFlight?: number | null;
  rateLimit?: RateLimit | null;
  maxEndpoints?: number | null;
}

/** PUT replaces: what is left out is reset. */
export interface PutCustomerBody {
  name?: string | null;
  metadata?: Record<string, string | number | boolean> | null;
  notificationUrl?: string | null;
  limits?: CustomerLimits | null;
}

export interface CustomerResource {
  id: string;
  name: string | null;
  metadata: Record<string, string | number | boolean>;
  notificationUrl: string | null;
  limits: { maxInFlight: number | null; rateLimit: RateLimit | null; maxEndpoints: number | null };
  createdAt: string;
  updatedAt: string;
}

export interface PutCustomerResource extends CustomerResource {
  /** Shown this once, when a notificationUrl was set where there was none. */
  notificationSecret?: string;
}

/** What erasing a customer removed: rows per table. */
export interface ErasureReceiptResource {
  customerId: string;
  erasedAt: string;
  removed: Record<string, number>;
}

const metadataForm = '{{#label}} must be text of at most 500 characters, a number, true or false';
/** Beyond these a number is not kept as it was sent. */
const metadataNumber = Joi.number().min(Number.MIN_SAFE_INTEGER).max(Number.MAX_SAFE_INTEGER);
const metadataName = text(64);
const metadata = documented(
  Joi.object()
    .pattern(
      metadataName,
      Joi.alternatives(text(500).allow(''), metadataNumber, Joi.boolean()).messages({
        'alternatives.types': metadataForm,
        'alternatives.match': metadataForm,
      }),
    )
    .max(50)
    .messages({
      'object.unknown': '{{#label}} is not allowed: names have 1 to 64 ordinary characters, such as "plan"',
    })
    .description('Up to 50 flat entries of the operator.'),
  { propertyNames: jsonSchemaOf(metadataName) },
);

const maxEndpoints = Joi.number().integer().min(0).max(10_000);

const customerName = text(200).allow(null).description('For people.');
const limits = {
  maxInFlight: maxInFlight
    .allow(null)
    .description('Most requests in flight to all its endpoints; null: the default of the server.'),
  rateLimit: rateLimit.allow(null).description('Rate of requests to all its endpoints; null: not limited.'),
  maxEndpoints: maxEndpoints
    .allow(null)
    .description(
      'Most endpoints it may have; null: the default of the server (500). Existing endpoints stay.',
    ),
};
const limitsNote = 'Limits of this customer.';

export const putCustomerBody = Joi.object<PutCustomerBody, true>({
  name: customerName,
  metadata: metadata.allow(null),
  notificationUrl: endpointUrl
    .allow(null)
    .description('Gets the operational events about this customer, signed like any delivery.'),
  limits: Joi.object<CustomerLimits>(limits).allow(null).description(limitsNote),
});

export const customerResource = Joi.object<CustomerResource, true>({
  id: customerId.required(),
  name: Joi.string().allow(null).required().description('For people.'),
  metadata: metadata.required(),
  notificationUrl: Joi.string()
    .allow(null)
    .required()
    .description('Gets the operational events about this customer.'),
  limits: Joi.object({
    maxInFlight: limits.maxInFlight.required(),
    rateLimit: limits.rateLimit.required(),
    maxEndpoints: limits.maxEndpoints.required(),
  })
    .required()
    .description(limitsNote),
  createdAt: time.required(),
  updatedAt: time
    .required()
    .description('When its own settings last changed. Changes of its endpoints do not count.'),
});

export const putCustomerResource = customerResource.append<PutCustomerResource>({
  notificationSecret: Joi.string().description(
    'The secret that signs events sent to the notificationUrl (scheme `standard`). Shown only in this response, when ' +
      'a notificationUrl is set for the first time.',
  ),
});

export const erasureReceiptResource = Joi.object<ErasureReceiptResource, true>({
  customerId: customerId.required(),
  erasedAt: time.required(),
  removed: Joi.object()
    .pattern(Joi.string(), Joi.number().integer().min(0))
    .required()
    .description(
      'Number of removed rows by kind: `events`, `deliveries`, `attempts`, `statistics`, and so on. ' +
        '`operationalEvents` are those that informed the operator about this customer, `notices` those that were not ' +
        'sent yet.',
    ),
});
