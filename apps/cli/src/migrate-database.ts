import { deployMigrations, ensurePartitions, MigrationError, openDatabase } from '@posthorn/database';
import type { Logger } from '@posthorn/runtime';

import { CommandError } from './command-error.js';

export interface MigrateDatabaseOptions {
  databaseUrl: string;
  migrationsDir: string;
  logger: Logger;
}

export interface MigrateDatabaseResult {
  /** Names of the migrations that were applied now. */
  applied: string[];
  /** How many partitions were made now. */
  partitionsMade: number;
}

/** Applies what is missing of the migrations, then makes the daily partitions that are missing, 14 days ahead. */
export async function migrateDatabase(options: MigrateDatabaseOptions): Promise<MigrateDatabaseResult> {
  const { databaseUrl, migrationsDir, logger } = options;
  const applied = await deployMigrations(databaseUrl, migrationsDir, { logger }).catch((error: unknown) => {
    throw error instanceof MigrationError ? new CommandError([error.message], { cause: error }) : error;
  });
  const database = openDatabase({ url: databaseUrl, poolMax: 2, logger });
  try {
    await database.clock.sample();
    const made = await ensurePartitions(database.pool, { nowMs: database.clock.nowMs() });
    return { applied, partitionsMade: made.length };
  } finally {
    await database.close();
  }
}
