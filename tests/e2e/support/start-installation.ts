import {
  createTestDatabase,
  startReceiver,
  testRedis,
  type Receiver,
  type TestDatabase,
} from '@posthorn/testing';

import { startBeside } from './start-beside.js';
import { prepareDatabase, startPosthorn, type Posthorn } from './start-posthorn.js';

/** What an installation may take to start or to stop, on a machine that is busy with others. */
export const INSTALLATION_MS = 300_000;

/** Two processes with a database of their own, and someone who receives. */
export interface Installation {
  database: TestDatabase;
  receiver: Receiver;
  /** Answers: ingest and console. */
  front: Posthorn;
  /** Sends. A test that ends it may put another in its place. */
  worker: Posthorn;
  close(): Promise<void>;
}

/** `env` is that of both processes. */
export async function startInstallation(env: Record<string, string> = {}): Promise<Installation> {
  const [database, receiver] = await Promise.all([createTestDatabase(), startReceiver()]);
  await prepareDatabase(database.url);
  const front = await startPosthorn({
    databaseUrl: database.url,
    redisUrl: testRedis().url,
    roles: ['ingest', 'console'],
    env,
  });
  const installation: Installation = {
    database,
    receiver,
    front,
    worker: await startBeside(front, ['worker']),
    async close() {
      await Promise.all([installation.front.stop(), installation.worker.stop()]);
      await receiver.close();
      await database.drop();
    },
  };
  return installation;
}
