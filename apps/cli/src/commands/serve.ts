import { readMigrationNames } from '@posthorn/database';
import {
  createLogger,
  createShutdown,
  describeConfig,
  loadConfig,
  roles as allRoles,
  type Environment,
  type Logger,
  type Role,
  type ServeConfig,
} from '@posthorn/runtime';

import { CommandError } from '../command-error.js';
import { findMigrationsDir } from '../migrations-dir.js';
import { portProblem } from '../port-problem.js';
import { postgresProblem, postgresProblemOf } from '../postgres-problem.sql.js';
import { redisProblem } from '../redis-problem.js';
import { runUntilSignal } from '../run-until-signal.js';
import type { ServiceProblem } from '../service-problem.js';
import { waitForServices } from '../wait-for-services.js';

/** Runs roles against given services until a signal comes. Logs to stdout. */
export async function serve(env: Environment, names: readonly string[]): Promise<number> {
  const roles = names.length === 0 ? allRoles : allRoles.filter((role) => names.includes(role));
  const config = loadConfig(env, { command: 'serve', roles });
  const logger = createLogger({ level: config.logLevel, role: roles.join('+') });
  logger.info('config.loaded', describeConfig(config));
  for (const warning of config.warnings) logger.warn('config.warning', { warning });
  const taken = await portProblem(config);
  if (taken !== null) throw new CommandError([taken]);

  const shutdown = createShutdown(logger, { deadlineMs: config.shutdownDeadlineMs });
  return runUntilSignal({
    shutdown,
    logger,
    async start(signal) {
      const migrationsDir = findMigrationsDir();
      await untilServicesAreThere({ config, roles, migrationsDir, logger, signal });
      const { startRoles } = await import('../start-roles.js');
      const { port } = await startRoles({ config, roles, migrationsDir, logger, shutdown }).catch(
        (error: unknown) => {
          // Postgres went away between the look at it and its use.
          const problem = postgresProblemOf(config.databaseUrl, error);
          throw problem ? new CommandError([problem.line], { cause: error }) : error;
        },
      );
      logger.info('posthorn.started', { roles, port });
    },
  });
}

interface ServicesDeps {
  config: ServeConfig;
  roles: readonly Role[];
  migrationsDir: string;
  logger: Logger;
  signal: AbortSignal;
}

/** Accepting works without Redis, so a process with the ingest role starts without it. */
async function untilServicesAreThere(deps: ServicesDeps): Promise<void> {
  const { config, roles, migrationsDir, logger, signal } = deps;
  const migrations = await readMigrationNames(migrationsDir);
  const startsWithoutRedis = roles.includes('ingest');
  let redis: ServiceProblem | null = null;
  const warnings = new Set<string>();
  const checks = [
    () => postgresProblem(config.databaseUrl, { purpose: 'serve', migrations }),
    async () => {
      redis = await redisProblem(config.redisUrl, {
        prefix: config.queuePrefix,
        onWarning: (warning) => warnings.add(warning),
      });
      return startsWithoutRedis && redis?.kind === 'passing' ? null : redis;
    },
  ];
  await waitForServices({
    checks,
    waitSeconds: config.startWaitSeconds,
    signal,
    onWaiting: (lines, secondsLeft) => {
      for (const problem of lines) logger.warn('service.waiting', { problem, seconds_left: secondsLeft });
    },
  });
  for (const warning of warnings) logger.warn('service.warning', { warning });
  const away = redis as ServiceProblem | null;
  if (away) logger.warn('service.down', { problem: away.line });
}
