import { createLogger, loadConfig, type Environment } from '@posthorn/runtime';

import { migrateDatabase } from '../migrate-database.js';
import { findMigrationsDir } from '../migrations-dir.js';
import { print } from '../print.js';
import { postgresProblem } from '../postgres-problem.sql.js';
import { waitForServices, writeWaiting } from '../wait-for-services.js';

/** What `prisma migrate deploy` does, and partitions ahead. Safe to run at every deployment, by several at once. */
export async function migrate(env: Environment): Promise<void> {
  const { databaseUrl, startWaitSeconds } = loadConfig(env, { command: 'migrate' });
  await waitForServices({
    checks: [() => postgresProblem(databaseUrl, { purpose: 'migrate' })],
    waitSeconds: startWaitSeconds,
    onWaiting: writeWaiting,
  });
  const logger = createLogger({ level: 'warn', role: 'migrate', destination: process.stderr });
  const migrationsDir = findMigrationsDir();
  const { applied, partitionsMade } = await migrateDatabase({ databaseUrl, migrationsDir, logger });
  for (const name of applied) print(`Applied ${name}.\n`);
  if (applied.length === 0) print('The database is up to date.\n');
  print(`Created ${partitionsMade} partitions.\n`);
}
