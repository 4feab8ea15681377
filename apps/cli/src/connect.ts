import type { Environment } from '@posthorn/runtime';

import { type ApiClient, createApiClient } from './api-client.js';
import { apiTarget } from './api-target.js';
import type { ClientOptions } from './client-options.js';

/** The client of the Posthorn that the options or the environment name. */
export async function connect(options: ClientOptions, env: Environment): Promise<ApiClient> {
  return createApiClient(await apiTarget(options, env));
}
