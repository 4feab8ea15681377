import { findFreePort } from '@posthorn/testing';

import { startPosthorn, type Posthorn } from './start-posthorn.js';

/** Another process of the same installation: same services, keys and queue prefix, a port of its own. */
export async function startBeside(
  posthorn: Posthorn,
  roles: string[],
  env: Record<string, string> = {},
): Promise<Posthorn> {
  return startPosthorn({
    databaseUrl: posthorn.env['DATABASE_URL'] ?? '',
    redisUrl: posthorn.env['REDIS_URL'] ?? '',
    roles,
    env: { ...posthorn.env, POSTHORN_PORT: String(await findFreePort()), ...env },
  });
}
