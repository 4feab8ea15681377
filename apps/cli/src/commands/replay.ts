import type { DeliveryResource } from '@posthorn/api-contract';
import type { Environment } from '@posthorn/runtime';

import { createApiClient } from '../api-client.js';
import { apiTarget } from '../api-target.js';
import type { ClientOptions } from '../client-options.js';
import { print, printJson } from '../print.js';

export async function replay(env: Environment, id: string, options: ClientOptions): Promise<void> {
  const api = createApiClient(await apiTarget(options, env));
  const path = `/v1/deliveries/${encodeURIComponent(id)}/replay`;
  const delivery = await api.call<DeliveryResource>(path, { method: 'post' });
  if (options.json) printJson(delivery);
  else if (delivery.status === 'held') print(`${delivery.id} is held (${delivery.reason ?? 'no reason'}).\n`);
  else print(`${delivery.id} is sent again. posthorn deliveries show ${delivery.id} shows how it goes.\n`);
}
