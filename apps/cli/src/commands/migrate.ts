import { createLogger, loadConfig, type Environment } from '@posthorn/runtime';

import { CommandError } from '../command-error.js';
import { migrateDatabase } from '../migrate-database.js';
import { findMigrationsDir } from '../migrations-dir.js';
import { print } from '../print.js';
import { postgresProblem } from '../service-problem.js';

/** What `prisma migrate deploy` does, and partitions ahead. Safe to run at every deployment, by several at once. */
export async function migrate(env: Environment): Promise<void> {
  const { databaseUrl } = loadConfig(env, { command: 'migrate' });
  const problem = await postgresProblem(databaseUrl);
  if (problem) throw new CommandError([problem.line]);
  const logger = createLogger({ level: 'warn', role: 'migrate', destination: process.stderr });
  const migrationsDir = findMigrationsDir();
  const { applied, partitionsMade } = await migrateDatabase({ databaseUrl, migrationsDir, logger });
  for (const name of applied) print(`Applied ${name}.\n`);
  if (applied.length === 0) print('No migration was missing.\n');
  print(`Made ${partitionsMade} partitions.\n`);
}
