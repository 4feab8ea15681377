import { startConsole } from '@posthorn/console';
import { readMigrationNames } from '@posthorn/database';
import { createHttpApp, createHttpServer, createOperationRouter } from '@posthorn/http';
import { startIngest } from '@posthorn/ingest';
import type { Logger, Role, ServeConfig, Shutdown } from '@posthorn/runtime';
import { startWorker } from '@posthorn/worker';

import { ensureAdminKey } from './ensure-admin-key.js';
import { openAccess } from './open-access.js';
import { openServices } from './open-services.js';
import { readyChecks } from './ready-checks.js';

export interface StartRolesDeps {
  config: ServeConfig;
  roles: readonly Role[];
  migrationsDir: string;
  logger: Logger;
  /** Gets everything opened here; closing takes nothing new first, then ends what is in flight, then disconnects. */
  shutdown: Shutdown;
}

/** Starts the roles of one process on one port, in reading order. Rejects when the port cannot be had. */
export async function startRoles({
  config,
  roles,
  migrationsDir,
  logger,
  shutdown,
}: StartRolesDeps): Promise<{ port: number }> {
  const services = await openServices({ config, roles, logger, shutdown });
  const { database, queue, caches } = services;
  await ensureAdminKey(config.adminKey, services.apiKeyStore, logger);

  const access = openAccess({ config, services, logger, shutdown });
  const role = { config, logger, shutdown, ...services, ...access };
  const ingest = roles.includes('ingest') ? startIngest(role) : null;
  const console = roles.includes('console') ? startConsole(role) : null;
  if (ingest) caches.push(ingest.cache);
  const checks = readyChecks({
    database,
    queue,
    migrations: await readMigrationNames(migrationsDir),
    redisRequired: roles.includes('worker'),
    logger,
  });

  const app = createHttpApp({
    logger,
    ingest: ingest?.router,
    routers: [...(console?.routers ?? []), createOperationRouter({ checks })],
    trustedProxies: config.trustedProxies,
    corsOrigins: config.corsOrigins,
  });
  const server = await createHttpServer({
    handler: ingest ? ingest.guard(app) : app,
    host: config.host,
    port: config.port,
    connectionsMax: config.connectionsMax,
    logger,
  });
  if (roles.includes('worker')) startWorker(role);
  // The last opened closes first: requests are refused before anything that they use is closed.
  shutdown.onClose('http', (deadlineMs) => {
    const closed = server.close({ deadlineMs });
    // Streams end now. Ended before the server closes, one would be cut before its end is sent.
    console?.endStreams();
    return closed;
  });
  return { port: server.port };
}
