export { countRowsRead } from './count-rows-read.js';
export { findFreePort, startPrivateRedis } from '@posthorn/embedded';
export { startBreakablePostgres, type BreakablePostgres, type PostgresState } from './breakable-postgres.js';
export { startChildScript, type ChildScript } from './child-script.js';
export {
  startReceiver,
  type ReceivedRequest,
  type Receiver,
  type ReceiverHandler,
  type ReceiverResponse,
} from './receiver.js';
export {
  createEmptyDatabase,
  createTestDatabase,
  prepareTemplate,
  runSql,
  testServerUrl,
  type TestDatabase,
} from './test-database.js';
export { openStream, type OpenStream, type StreamMessage } from './open-stream.js';
export { redisCommand } from './redis-command.js';
export { startTestPostgres } from './start-test-postgres.js';
export { testRedis, type TestRedis } from './test-redis.js';
export { waitUntil, type WaitUntilOptions } from './wait-until.js';
