import { Joi } from './strict-joi.js';

import { customerId, idText, text, time } from './fields.js';
import { type Scope, scopes } from './scope.js';

export interface CreateApiKeyBody {
  name?: string | null;
  scopes: Scope[];
  /** Restricts the key to one customer; null or left out: all. */
  customerId?: string | null;
}

export interface ApiKeyResource {
  id: string;
  name: string | null;
  scopes: Scope[];
  customerId: string | null;
  /** The first characters, to recognise the key. */
  hint: string;
  createdAt: string;
  lastUsedAt: string | null;
}

export interface CreatedApiKeyResource extends ApiKeyResource {
  /** Shown this once. */
  key: string;
}

const scopeList = Joi.array()
  .items(Joi.string().valid(...scopes))
  .min(1)
  .unique()
  .description('`admin` allows everything.');

export const createApiKeyBody = Joi.object<CreateApiKeyBody>({
  name: text(200).allow(null),
  scopes: scopeList.required(),
  customerId: customerId.allow(null).description('Restricts the key to one customer.'),
});

export const apiKeyResource = Joi.object<ApiKeyResource>({
  id: idText('apiKey').required(),
  name: Joi.string().allow(null).required(),
  scopes: scopeList.required(),
  customerId: customerId.allow(null).required(),
  hint: Joi.string().required().description('The first characters, to recognise the key.'),
  createdAt: time.required(),
  lastUsedAt: time.allow(null).required(),
});

export const createdApiKeyResource = apiKeyResource.append<CreatedApiKeyResource>({
  key: Joi.string().required().description('The key, shown this once.'),
});
