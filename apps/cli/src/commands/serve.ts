import {
  createLogger,
  createShutdown,
  describeConfig,
  loadConfig,
  roles as allRoles,
  type Environment,
  type Role,
  type ServeConfig,
} from '@posthorn/runtime';

import { CommandError } from '../command-error.js';
import { findMigrationsDir } from '../migrations-dir.js';
import { portProblem } from '../port-problem.js';
import { runUntilSignal } from '../run-until-signal.js';
import { postgresProblem, redisProblem, type ServiceProblem } from '../service-problem.js';

/** Runs roles against given services until a signal comes. Logs to stdout. */
export async function serve(env: Environment, names: readonly string[]): Promise<number> {
  const roles = names.length === 0 ? allRoles : allRoles.filter((role) => names.includes(role));
  const config = loadConfig(env, { command: 'serve', roles });
  const logger = createLogger({ level: config.logLevel, role: roles.join('+') });
  logger.info('config.loaded', describeConfig(config));
  for (const warning of config.warnings) logger.warn('config.warning', { warning });
  for (const problem of await problemsOf(config, roles)) {
    logger.warn('service.down', { problem: problem.line });
  }

  const shutdown = createShutdown(logger, { deadlineMs: config.shutdownDeadlineMs });
  return runUntilSignal({
    shutdown,
    logger,
    async start() {
      const { startRoles } = await import('../start-roles.js');
      const { port } = await startRoles({
        config,
        roles,
        migrationsDir: findMigrationsDir(),
        logger,
        shutdown,
      });
      logger.info('posthorn.started', { roles, port });
    },
  });
}

/**
 * Throws for what cannot work. Returns what may come back by itself: Redis that is down stops nobody from accepting,
 * so a process that starts meanwhile has to start.
 */
async function problemsOf(config: ServeConfig, roles: readonly Role[]): Promise<ServiceProblem[]> {
  const [port, postgres, redis] = await Promise.all([
    portProblem(config),
    postgresProblem(config.databaseUrl),
    redisProblem(config.redisUrl),
  ]);
  const acceptsWithoutRedis = redis?.kind === 'down' && roles.includes('ingest');
  const fatal = [port, postgres?.line, acceptsWithoutRedis ? null : redis?.line].filter(
    (line) => line != null,
  );
  if (fatal.length > 0) throw new CommandError(fatal);
  return redis ? [redis] : [];
}
