import path from 'node:path';
import { EmbeddedServiceError, startEmbeddedPostgres, startPrivateRedis } from '@posthorn/embedded';
import type { Config, Shutdown } from '@posthorn/runtime';

import { CommandError } from '../command-error.js';

export interface StartServicesDeps {
  config: Config;
  dataDir: string;
  shutdown: Shutdown;
  signal: AbortSignal;
  /** Called with each server that is ours to stop. */
  onEmbedded: (server: { stop(): Promise<void> }) => void;
}

export interface Services {
  databaseUrl: string;
  redisUrl: string;
}

/**
 * Whatever DATABASE_URL and REDIS_URL do not name runs here, with its data kept. One after the other: each server's
 * folder has a claim, and of two starts on one data folder the one that gets the first claim gets them all.
 */
export async function startServices(deps: StartServicesDeps): Promise<Services> {
  const { config, dataDir, shutdown, signal, onEmbedded } = deps;
  const keep = (name: string, server: { url: string; stop(): Promise<void> }): string => {
    shutdown.onClose(name, () => server.stop());
    onEmbedded(server);
    signal.throwIfAborted();
    return server.url;
  };
  const databaseUrl =
    config.databaseUrl ??
    keep('postgres', await startEmbeddedPostgres({ dataDir: path.join(dataDir, 'postgres') }).catch(fail));
  const redisUrl =
    config.redisUrl ??
    keep(
      'redis',
      await startPrivateRedis({ dataDir: path.join(dataDir, 'redis'), persistent: true }).catch(fail),
    );
  return { databaseUrl, redisUrl };
}

function fail(error: unknown): never {
  throw error instanceof EmbeddedServiceError ? new CommandError([error.message], { cause: error }) : error;
}
