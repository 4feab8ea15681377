import { createApiKeyStore, openDatabase } from '@posthorn/database';
import type { Logger } from '@posthorn/runtime';

import { readOrMakeAdminKey, replaceAdminKey } from '../admin-key.js';
import { CommandError } from '../command-error.js';

export interface ValidAdminKeyOptions {
  /** POSTHORN_ADMIN_KEY. */
  given: string | null;
  dataDir: string;
  databaseUrl: string;
  logger: Logger;
}

export interface ValidAdminKey {
  key: string;
  /** The stored key had been revoked, and a new one was created. */
  replaced: boolean;
}

/** The admin key that `dev` runs with, valid in its database: the given one, otherwise the stored one. */
export async function validAdminKey(options: ValidAdminKeyOptions): Promise<ValidAdminKey> {
  const { given, dataDir, databaseUrl, logger } = options;
  const database = openDatabase({ url: databaseUrl, poolMax: 1, logger });
  try {
    await database.clock.sample();
    const apiKeys = createApiKeyStore(database);
    const isValid = async (key: string, name: string): Promise<boolean> =>
      (await apiKeys.ensure(key, { name, scopes: ['admin'] })) !== 'revoked';

    if (given !== null) {
      if (await isValid(given, 'POSTHORN_ADMIN_KEY')) return { key: given, replaced: false };
      throw new CommandError([
        'POSTHORN_ADMIN_KEY is an API key that was revoked: set another one, or none, and dev uses its own.',
      ]);
    }
    const name = 'Admin key of dev';
    const kept = await readOrMakeAdminKey(dataDir);
    if (await isValid(kept, name)) return { key: kept, replaced: false };
    const key = await replaceAdminKey(dataDir);
    await isValid(key, name);
    return { key, replaced: true };
  } finally {
    await database.close();
  }
}
