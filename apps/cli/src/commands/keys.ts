import type { ApiKeyResource, CreatedApiKeyResource, Page } from '@posthorn/api-contract';
import type { Environment } from '@posthorn/runtime';

import { connect } from '../connect.js';
import type { ClientOptions, PageOptions } from '../client-options.js';
import { printPage, printResult } from '../print.js';
import { shortTime } from '../text-table.js';

export interface CreateKeyOptions extends ClientOptions {
  scopes: string[];
  name?: string;
  customer?: string;
}

export async function createKey(env: Environment, options: CreateKeyOptions): Promise<void> {
  const { scopes, name, customer: customerId } = options;
  const api = await connect(options, env);
  const created = await api.call<CreatedApiKeyResource>('/v1/api-keys', {
    method: 'post',
    body: { scopes, name, customerId },
  });
  printResult(
    created,
    options,
    `${created.key}\n\nThe id of this key is ${created.id}. The key is not shown again.\n`,
  );
}

export async function listKeys(env: Environment, options: PageOptions): Promise<void> {
  const api = await connect(options, env);
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
  const api = await connect(options, env);
  await api.call(`/v1/api-keys/${encodeURIComponent(id)}`, { method: 'delete' });
  printResult({ id, revoked: true }, options, `${id} is revoked.\n`);
}
