import type { ApiKeyResource, CreatedApiKeyResource, Page } from '@posthorn/api-contract';
import type { Environment } from '@posthorn/runtime';

import { createApiClient } from '../api-client.js';
import { apiTarget } from '../api-target.js';
import type { ClientOptions, PageOptions } from '../client-options.js';
import { print, printJson, printPage } from '../print.js';
import { shortTime } from '../text-table.js';

export interface CreateKeyOptions extends ClientOptions {
  scopes: string[];
  name?: string;
  customer?: string;
}

export async function createKey(env: Environment, options: CreateKeyOptions): Promise<void> {
  const { scopes, name, customer: customerId } = options;
  const api = createApiClient(await apiTarget(options, env));
  const created = await api.call<CreatedApiKeyResource>('/v1/api-keys', {
    method: 'post',
    body: { scopes, name, customerId },
  });
  if (options.json) printJson(created);
  else print(`${created.key}\n\nThis is ${created.id}; the key is not shown again.\n`);
}

export async function listKeys(env: Environment, options: PageOptions): Promise<void> {
  const api = createApiClient(await apiTarget(options, env));
  const { limit, cursor } = options;
  const page = await api.call<Page<ApiKeyResource>>('/v1/api-keys', { query: { limit, cursor } });
  printPage(page, options, ['ID', 'KEY', 'SCOPES', 'CUSTOMER', 'NAME', 'CREATED', 'LAST USED'], (key) => [
    key.id,
    `${key.hint}…`,
    key.scopes.join(','),
    key.customerId ?? 'all',
    key.name ?? '-',
    shortTime(key.createdAt),
    shortTime(key.lastUsedAt),
  ]);
}

export async function revokeKey(env: Environment, id: string, options: ClientOptions): Promise<void> {
  const api = createApiClient(await apiTarget(options, env));
  await api.call(`/v1/api-keys/${encodeURIComponent(id)}`, { method: 'delete' });
  if (options.json) printJson({ id, revoked: true });
  else print(`${id} is revoked.\n`);
}
