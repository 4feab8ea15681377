import type {
  CreatedEndpointResource,
  EndpointResource,
  Page,
  RotatedSecretResource,
} from '@posthorn/api-contract';

import type { ApiClient } from '../api-client.js';
import type { StoredDemo } from './stored-demo.js';

export const demoCustomerId = 'demo';
/** By this the demo knows its endpoint among others of the customer. */
const description = 'Receiver built into posthorn dev';

export interface DemoEndpoint {
  id: string;
  secret: string;
  secretCreatedAt: string;
}

/** Makes the demo's customer and endpoint, or points the one of earlier starts at where the receiver is now. */
export async function ensureDemoEndpoint(
  api: ApiClient,
  url: string,
  kept: StoredDemo | null,
): Promise<DemoEndpoint> {
  const customer = `/v1/customers/${demoCustomerId}`;
  if ((await api.find(customer)) === null) {
    await api.call(customer, { method: 'put', body: { name: 'Demo' } });
  }
  const { data } = await api.call<Page<EndpointResource>>(`${customer}/endpoints`, { query: { limit: 250 } });
  const endpoint = data.find((candidate) => candidate.description === description);
  if (!endpoint) return create(api, customer, url);

  const { id } = endpoint;
  if (endpoint.url !== url) await api.call(`/v1/endpoints/${id}`, { method: 'patch', body: { url } });
  const current = endpoint.secrets.find(({ expiresAt }) => expiresAt === null);
  if (kept && current?.createdAt === kept.secretCreatedAt) return { id, ...kept };
  const rotated = await api.call<RotatedSecretResource>(`/v1/endpoints/${id}/secret/rotate`, {
    method: 'post',
    body: { overlapSeconds: 0 },
  });
  return { id, secret: rotated.secret, secretCreatedAt: rotated.createdAt };
}

async function create(api: ApiClient, customer: string, url: string): Promise<DemoEndpoint> {
  const created = await api.call<CreatedEndpointResource>(`${customer}/endpoints`, {
    method: 'post',
    body: { url, description },
  });
  return {
    id: created.id,
    secret: created.secret,
    secretCreatedAt: created.secrets[0]?.createdAt ?? created.createdAt,
  };
}
