import {
  type BreakerState,
  breakerStates,
  type EndpointStatus,
  endpointStatuses,
  isSigningSecret,
  signingSecretPattern,
  type RetryPolicyInput,
  type Signing,
} from '@posthorn/domain';
import { documented, Joi } from './strict-joi.js';

import { allowedForm } from './allowed-form.js';
import { deliveryHeaders, deliveryHeadersPatch } from './delivery-headers-schema.js';
import { endpointUrl } from './endpoint-url.js';
import {
  customerId,
  eventFilter,
  idText,
  maxInFlight,
  type RateLimit,
  rateLimit,
  rateLimitPatch,
  text,
  time,
} from './fields.js';
import { retryPolicy, retryPolicyPatch } from './retry-policy-schema.js';
import { signing, type SigningPatch, signingPatch, signingResource } from './signing-schema.js';

/** Everything about an endpoint that its owner sets. */
export interface EndpointSettings {
  url: string;
  eventTypes: string[];
  description: string | null;
  /** Header names with their values; values are kept encrypted and not shown again. */
  headers: Record<string, string>;
  signing: Signing;
  retryPolicy: RetryPolicyInput | null;
  maxInFlight: number | null;
  rateLimit: RateLimit | null;
}

/** After validation: defaults filled in. */
export type CreateEndpointBody = EndpointSettings;

/** RFC 7396: a member that is null goes back to its default, one that is left out stays. Apply with `patchEndpointSettings`. */
export interface PatchEndpointBody {
  url?: string;
  eventTypes?: string[] | null;
  description?: string | null;
  headers?: Record<string, string | null> | null;
  signing?: SigningPatch | null;
  retryPolicy?: { [K in keyof RetryPolicyInput]?: RetryPolicyInput[K] | null } | null;
  maxInFlight?: number | null;
  rateLimit?: Partial<RateLimit> | null;
}

export interface EndpointResource {
  id: string;
  customerId: string;
  url: string;
  eventTypes: string[];
  description: string | null;
  /** Values are masked with `maskedHeaderValue`. */
  headers: Record<string, string>;
  signing: Signing;
  retryPolicy: RetryPolicyInput | null;
  maxInFlight: number | null;
  rateLimit: RateLimit | null;
  status: EndpointStatus;
  disabledReason: string | null;
  breaker: { state: BreakerState; openUntil: string | null };
  healthScore: number;
  failingSince: string | null;
  /** Signing secrets without values; the one without an expiry is current. */
  secrets: { createdAt: string; expiresAt: string | null }[];
  createdAt: string;
  updatedAt: string;
}

export interface CreatedEndpointResource extends EndpointResource {
  /** Shown this once. */
  secret: string;
}

export interface RotateSecretBody {
  /** How long the secret before keeps signing along. */
  overlapSeconds: number;
  /** A secret of the caller's; made when left out. */
  secret?: string;
}

export interface RotatedSecretResource {
  /** Shown this once. */
  secret: string;
  createdAt: string;
  /** Until when the secret before signs along; null when it stopped at once. */
  previousExpiresAt: string | null;
}

const overlapSecondsDefault = 86_400;

const eventTypes = Joi.array()
  .items(eventFilter)
  .min(1)
  .max(100)
  .unique()
  .description('Types of the events it gets: types, prefixes such as `charge.*`, or `*` for all.');
const about = text(500).allow('', null).description('For people.');
const ownRetryPolicy = retryPolicy
  .allow(null)
  .description('When failed attempts are retried; null: the preset `default`.');
const ownMaxInFlight = maxInFlight
  .allow(null)
  .description('Most requests in flight to this endpoint; null: the default of the server.');
const ownRateLimit = rateLimit
  .allow(null)
  .description('Rate of requests to this endpoint, evenly spaced; null: not limited.');
const signingNote = 'How its requests are signed.';

const settings = {
  url: endpointUrl.required(),
  eventTypes: eventTypes.default(['*']),
  description: about.default(null),
  headers: deliveryHeaders.default({}),
  signing: signing.default({ scheme: 'standard' }).description(signingNote),
  retryPolicy: ownRetryPolicy.default(null),
  maxInFlight: ownMaxInFlight.default(null),
  rateLimit: ownRateLimit.default(null),
};

export const createEndpointBody = Joi.object<CreateEndpointBody>(settings);

export const patchEndpointBody = Joi.object<PatchEndpointBody, true>({
  url: endpointUrl,
  eventTypes: eventTypes.allow(null),
  description: about,
  headers: deliveryHeadersPatch.allow(null),
  signing: signingPatch.allow(null).description(signingNote),
  retryPolicy: retryPolicyPatch
    .allow(null)
    .description('Merged into the stored policy; null: the preset `default`.'),
  maxInFlight: ownMaxInFlight,
  rateLimit: rateLimitPatch.allow(null).description('Merged into the stored limit; null: not limited.'),
}).min(1);

const secret = documented(
  allowedForm(
    Joi.string()
      .max(128)
      .pattern(/^whsec_[A-Za-z0-9+/]+={0,2}$/)
      .custom((value: string, helpers) => (isSigningSecret(value) ? value : helpers.error('any.invalid')))
      .description('`whsec_` and base64 of 24 to 64 bytes, with its padding.'),
    'must be whsec_ and the base64 of 24 to 64 bytes, with its padding, such as whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw',
  ),
  { pattern: signingSecretPattern.source },
);

export const rotateSecretBody = Joi.object<RotateSecretBody, true>({
  overlapSeconds: Joi.number()
    .integer()
    .min(0)
    .max(604_800)
    .default(overlapSecondsDefault)
    .description('How long the previous secret also signs.'),
  secret,
});

export const endpointResource = Joi.object<EndpointResource>({
  id: idText('endpoint').required(),
  customerId: customerId.required(),
  url: Joi.string().required().description('The URL that its events are sent to.'),
  eventTypes: Joi.array().items(eventFilter).required().description('Types of the events it gets.'),
  description: Joi.string().allow('', null).required().description('For people.'),
  headers: Joi.object()
    .pattern(Joi.string(), Joi.string())
    .required()
    .description('Header names with masked values.'),
  signing: signingResource.required().description(signingNote),
  retryPolicy: ownRetryPolicy.required(),
  maxInFlight: ownMaxInFlight.required(),
  rateLimit: ownRateLimit.required(),
  status: Joi.string()
    .valid(...endpointStatuses)
    .required()
    .description('While it is `enabled` its deliveries are sent, otherwise they are held.'),
  disabledReason: Joi.string()
    .allow(null)
    .required()
    .description(
      'Why it is disabled. `gone`: it responded with 410. `failing`: all attempts failed for days.',
    ),
  breaker: Joi.object({
    state: Joi.string()
      .valid(...breakerStates)
      .required()
      .description(
        '`closed`: deliveries are sent. `open`: nothing is sent. `half_open`: one attempt at a time.',
      ),
    openUntil: time
      .allow(null)
      .required()
      .description('Set while it is open: nothing is sent before this time.'),
  })
    .required()
    .description(
      'The circuit breaker. It opens after 5 failed attempts in a row, or 12 of the last 20, for 5 s or longer. Then ' +
        'it is half-open: it allows one attempt at a time, until one is delivered.',
    ),
  healthScore: Joi.number()
    .integer()
    .min(0)
    .max(100)
    .required()
    .description(
      'The share of delivered attempts in percent, with more weight on newer attempts: each moves it by 5 % of the way ' +
        'to 100 or to 0. It starts at 100. Attempts with the status 429 do not count.',
    ),
  failingSince: time
    .allow(null)
    .required()
    .description(
      'Start of the first attempt since which all have failed; null while the endpoint works. After 5 days of failures ' +
        'it is disabled, unless the operator has set another time.',
    ),
  secrets: Joi.array()
    .items(Joi.object({ createdAt: time.required(), expiresAt: time.allow(null).required() }))
    .required()
    .description('Signing secrets without values. The current secret has no expiry.'),
  createdAt: time.required(),
  updatedAt: time.required(),
});

export const createdEndpointResource = endpointResource.append<CreatedEndpointResource>({
  secret: secret.required().description('The signing secret, shown only in this response.'),
});

export const rotatedSecretResource = Joi.object<RotatedSecretResource, true>({
  secret: secret.required().description('The new signing secret, shown only in this response.'),
  createdAt: time.required(),
  previousExpiresAt: time
    .allow(null)
    .required()
    .description('The previous secret also signs until this time.'),
});
