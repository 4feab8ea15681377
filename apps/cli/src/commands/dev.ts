import { finished } from 'node:stream/promises';
import {
  createLogger,
  createShutdown,
  describeConfig,
  loadConfig,
  readOrMakeKeyring,
  roles,
  type Config,
  type Environment,
  type Logger,
  type ServeConfig,
  type Shutdown,
} from '@posthorn/runtime';

import { keptAdminKey } from '../admin-key.js';
import { CommandError } from '../command-error.js';
import { openDataFolder, openLogFile } from '../dev/data-folder.js';
import { startDemo } from '../dev/demo.js';
import { startServices } from '../dev/start-services.js';
import { summaryOf } from '../dev/summary.js';
import { listeningUrl } from '../listening-url.js';
import { forgetUrl, keepUrl } from '../kept-url.js';
import { findMigrationsDir } from '../migrations-dir.js';
import { listenProblem, portProblem } from '../port-problem.js';
import { print } from '../print.js';
import { runUntilSignal } from '../run-until-signal.js';

/** Everything on this machine. Whatever can be checked is checked before anything is started. */
export async function dev(env: Environment): Promise<number> {
  const config = loadConfig(env, { command: 'dev', roles });
  await checkPortAndServices(config);
  const dataDir = await openDataFolder(config.dataDir);
  const log = await openLogFile(dataDir);
  const logger = createLogger({ level: config.logLevel, role: 'dev', destination: log });
  for (const warning of config.warnings) process.stderr.write(`Note: ${warning}\n`);

  const shutdown = createShutdown(logger, { deadlineMs: config.shutdownDeadlineMs });
  const embedded: { stop(): Promise<void> }[] = [];
  try {
    const exitCode = await runUntilSignal({
      shutdown,
      logger,
      start: (signal) =>
        start({ config, dataDir, logger, shutdown, signal, onEmbedded: (server) => embedded.push(server) }),
      // npm puts a shell between itself and us, which a signal to npm kills without reaching us.
      stopWithParent: env.npm_lifecycle_event !== undefined,
      onStopping: () => print('\nStopping …\n'),
      abandon: () => Promise.allSettled(embedded.map((server) => server.stop())),
    });
    print('Stopped.\n');
    return exitCode;
  } finally {
    await finished(log.end());
  }
}

async function checkPortAndServices(config: Config): Promise<void> {
  const problems = [await portProblem(config)];
  if (config.databaseUrl !== null || config.redisUrl !== null) {
    const { postgresProblem, redisProblem } = await import('../service-problem.js');
    const found = await Promise.all([
      config.databaseUrl === null ? null : postgresProblem(config.databaseUrl),
      config.redisUrl === null ? null : redisProblem(config.redisUrl),
    ]);
    problems.push(...found.map((problem) => problem?.line ?? null));
  }
  const lines = problems.filter((line) => line !== null);
  if (lines.length > 0) throw new CommandError(lines);
}

interface StartDeps {
  config: Config;
  dataDir: string;
  logger: Logger;
  shutdown: Shutdown;
  signal: AbortSignal;
  onEmbedded: (server: { stop(): Promise<void> }) => void;
}

async function start({ config, dataDir, logger, shutdown, signal, onEmbedded }: StartDeps): Promise<void> {
  if ((await keptAdminKey(dataDir)) === null)
    print(`The first start takes a little longer: making ${dataDir} …\n`);
  // Loading the roles takes as long as starting the servers: both at once.
  const loading = Promise.all([
    import('../start-roles.js'),
    import('../migrate-database.js'),
    import('../dev/valid-admin-key.js'),
  ]);
  loading.catch(() => undefined);
  const services = await startServices({ config, dataDir, shutdown, signal, onEmbedded });
  const [{ startRoles }, { migrateDatabase }, { validAdminKey }] = await loading;

  const migrationsDir = findMigrationsDir();
  await migrateDatabase({ databaseUrl: services.databaseUrl, migrationsDir, logger });
  signal.throwIfAborted();

  const { databaseUrl } = services;
  const admin = await validAdminKey({ given: config.adminKey, dataDir, databaseUrl, logger });
  const adminKey = admin.key;
  if (admin.replaced) print('Note: the admin key of this data folder was revoked; a new one was made.\n');
  const encryptionKeys =
    config.encryptionKeys.length > 0 ? config.encryptionKeys : await readOrMakeKeyring(dataDir);
  const complete: ServeConfig = { ...config, ...services, adminKey, encryptionKeys };
  logger.info('config.loaded', describeConfig(complete));
  const demo = await startDemo({ dataDir, onReceived: (line) => print(line) });
  shutdown.onClose('demo receiver', () => demo.close());
  const { port } = await startRoles({ config: complete, roles, migrationsDir, logger, shutdown }).catch(
    (error: unknown) => {
      throw portTaken(error, config);
    },
  );
  signal.throwIfAborted();

  const url = listeningUrl(config.host, port);
  shutdown.onClose('kept url', () => forgetUrl(dataDir, url));
  await keepUrl(dataDir, url);
  const delivery = await demo.deliver({ url, key: adminKey }, signal);
  logger.info('posthorn.started', { port });
  print(summaryOf({ config, dataDir, url, adminKey, delivery }));
}

/** Someone took the port after it had been found free. */
function portTaken(error: unknown, config: Config): unknown {
  const isAboutPort = error instanceof Error && (error as NodeJS.ErrnoException).syscall === 'listen';
  return isAboutPort ? new CommandError([listenProblem(error, config)]) : error;
}
