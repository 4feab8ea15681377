import path from 'node:path';
import { EmbeddedServiceError, startEmbeddedPostgres, startPrivateRedis } from '@posthorn/embedded';
import type { Config, Logger, Shutdown } from '@posthorn/runtime';

import { CommandError } from '../command-error.js';
import { superviseService, type SuperviseServiceOptions } from './supervise-service.js';

export interface StartServicesDeps {
  config: Config;
  dataDir: string;
  logger: Logger;
  shutdown: Shutdown;
  signal: AbortSignal;
  /** One line for the terminal. */
  say: (line: string) => void;
  /** Called with each server that is ours to stop. */
  onEmbedded: (server: { stop(): Promise<void> }) => void;
  /** A server failed too often: this process cannot go on. */
  onGivenUp: (error: CommandError) => void;
}

export interface Services {
  databaseUrl: string;
  redisUrl: string;
}

/**
 * Starts the servers that DATABASE_URL and REDIS_URL do not name, with data that stays, and starts them again when they
 * end. They start one after the other: each server's folder has a claim, and of two starts on one data folder the one
 * with the first claim gets both.
 */
export async function startServices(deps: StartServicesDeps): Promise<Services> {
  const { config, dataDir, logger, shutdown, signal, say, onEmbedded, onGivenUp } = deps;
  const keep = async (name: string, start: SuperviseServiceOptions['start']): Promise<string> => {
    const server = await superviseService({ name, start, say, logger, signal, onGivenUp }).catch(fail);
    shutdown.onClose(name.toLowerCase(), () => server.stop());
    onEmbedded(server);
    signal.throwIfAborted();
    return server.url;
  };
  const databaseUrl =
    config.databaseUrl ??
    (await keep('Postgres', (port, stop) =>
      startEmbeddedPostgres({ dataDir: path.join(dataDir, 'postgres'), port, signal: stop }),
    ));
  const redisUrl =
    config.redisUrl ??
    (await keep('Redis', (port, stop) =>
      startPrivateRedis({ dataDir: path.join(dataDir, 'redis'), port, persistent: true, signal: stop }),
    ));
  return { databaseUrl, redisUrl };
}

function fail(error: unknown): never {
  throw error instanceof EmbeddedServiceError ? new CommandError([error.message], { cause: error }) : error;
}
