import { Joi } from './strict-joi.js';

import { customerId, idText, type RateLimit, rateLimit, rateLimitPatch, text, time } from './fields.js';
import { mergePatch } from './merge-patch.js';
import { type Scope, scopes } from './scope.js';
import { type Validated, validateValue } from './validate-value.js';

export interface CreateApiKeyBody {
  name?: string | null;
  scopes: Scope[];
  /** Restricts the key to one customer; null or left out: all. */
  customerId?: string | null;
  /** Null or left out: the default. */
  rateLimit?: RateLimit | null;
}

/** What can be changed of a key. */
export interface ApiKeySettings {
  name: string | null;
  rateLimit: RateLimit | null;
}

/** RFC 7396. Apply with `patchApiKeySettings`. */
export interface PatchApiKeyBody {
  name?: string | null;
  rateLimit?: Partial<RateLimit> | null;
}

export interface ApiKeyResource {
  id: string;
  name: string | null;
  scopes: Scope[];
  customerId: string | null;
  rateLimit: RateLimit | null;
  /** The first characters, to recognise the key. */
  hint: string;
  createdAt: string;
  lastUsedAt: string | null;
}

export interface CreatedApiKeyResource extends ApiKeyResource {
  /** Shown this once. */
  key: string;
}

const ownRateLimit = rateLimit
  .allow(null)
  .description('Limit of all requests with this key; null: the defaults of the server.');

const keyName = text(200).allow(null).description('For people.');

const scopeList = Joi.array()
  .items(Joi.string().valid(...scopes))
  .min(1)
  .unique()
  .description(
    '`events:write` sends events, `read` reads the history, `deliveries:write` replays and cancels, `admin` allows ' +
      'everything. No other scope includes another.',
  );

export const createApiKeyBody = Joi.object<CreateApiKeyBody, true>({
  name: keyName,
  scopes: scopeList.required(),
  customerId: customerId.allow(null).description('Restricts the key to one customer.'),
  rateLimit: ownRateLimit,
});

export const patchApiKeyBody = Joi.object<PatchApiKeyBody, true>({
  name: keyName,
  rateLimit: rateLimitPatch
    .allow(null)
    .description('Merged into the stored limit; null: the defaults of the server.'),
}).min(1);

const settings = Joi.object<ApiKeySettings>({
  name: text(200).allow(null).default(null),
  rateLimit: rateLimit.allow(null).default(null),
});

/** The settings after a merge patch, checked as a whole. */
export function patchApiKeySettings(
  { name, rateLimit: limit }: ApiKeySettings,
  patch: PatchApiKeyBody,
): Validated<ApiKeySettings> {
  return validateValue(settings, mergePatch({ name, rateLimit: limit }, patch), { convert: false });
}

export const apiKeyResource = Joi.object<ApiKeyResource, true>({
  id: idText('apiKey').required(),
  name: Joi.string().allow(null).required().description('For people.'),
  scopes: scopeList.required(),
  customerId: customerId.allow(null).required(),
  rateLimit: ownRateLimit.required(),
  hint: Joi.string().required().description('The first characters of the key, to recognise it.'),
  createdAt: time.required(),
  lastUsedAt: time.allow(null).required(),
});

export const createdApiKeyResource = apiKeyResource.append<CreatedApiKeyResource>({
  key: Joi.string().required().description('The key, shown only in this response.'),
});
