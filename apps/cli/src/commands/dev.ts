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

import { storedAdminKey } from '../admin-key.js';
import { CommandError } from '../command-error.js';
import { openDataFolder, openLogFile } from '../dev/data-folder.js';
import { startDemo } from '../dev/demo.js';
import { startServices } from '../dev/start-services.js';
import { summaryOf } from '../dev/summary.js';
import { listeningUrl } from '../listening-url.js';
import { removeStoredUrl, storeUrl } from '../stored-url.js';
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
  let onGivenUp!: (error: CommandError) => void;
  const failure = new Promise<never>((_resolve, reject) => (onGivenUp = reject));
  failure.catch(() => undefined);
  try {
    const exitCode = await runUntilSignal({
      shutdown,
      logger,
      start: (signal) =>
        start({
          config,
          dataDir,
          logger,
          shutdown,
          signal,
          onEmbedded: (server) => embedded.push(server),
          onGivenUp,
        }),
      failure,
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
  const { databaseUrl, redisUrl, queuePrefix: prefix } = config;
  const taken = await portProblem(config);
  if (taken !== null) throw new CommandError([taken]);
  if (databaseUrl === null && redisUrl === null) return;
  const [{ postgresProblem }, { redisProblem }, { waitForServices, writeWaiting }] = await Promise.all([
    import('../postgres-problem.sql.js'),
    import('../redis-problem.js'),
    import('../wait-for-services.js'),
  ]);
  const warnings = new Set<string>();
  const onWarning = (line: string) => warnings.add(line);
  await waitForServices({
    checks: [
      () => (databaseUrl === null ? noProblem : postgresProblem(databaseUrl, { purpose: 'migrate' })),
      () => (redisUrl === null ? noProblem : redisProblem(redisUrl, { prefix, onWarning })),
    ],
    waitSeconds: config.startWaitSeconds,
    onWaiting: writeWaiting,
  });
  for (const warning of warnings) process.stderr.write(`Note: ${warning}\n`);
}

const noProblem = Promise.resolve(null);

interface StartDeps {
  config: Config;
  dataDir: string;
  logger: Logger;
  shutdown: Shutdown;
  signal: AbortSignal;
  onEmbedded: (server: { stop(): Promise<void> }) => void;
  onGivenUp: (error: CommandError) => void;
}

async function start(deps: StartDeps): Promise<void> {
  const { config, dataDir, logger, shutdown, signal } = deps;
  if ((await storedAdminKey(dataDir)) === null)
    print(`The first start takes longer: creating ${dataDir} …\n`);
  // Loading the roles takes as long as starting the servers: both at once.
  const loading = Promise.all([
    import('../start-roles.js'),
    import('../migrate-database.js'),
    import('../dev/valid-admin-key.js'),
  ]);
  loading.catch(() => undefined);
  const services = await startServices({ ...deps, say: (line) => print(`${line}\n`) });
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
  shutdown.onClose('stored url', () => removeStoredUrl(dataDir, url));
  await storeUrl(dataDir, url);
  const delivery = await demo.deliver({ url, key: adminKey }, signal);
  logger.info('posthorn.started', { port });
  print(summaryOf({ config, dataDir, url, adminKey, delivery }));
}

/** Someone took the port after it had been found free. */
function portTaken(error: unknown, config: Config): unknown {
  const isAboutPort = error instanceof Error && (error as NodeJS.ErrnoException).syscall === 'listen';
  return isAboutPort ? new CommandError([listenProblem(error, config)]) : error;
}
