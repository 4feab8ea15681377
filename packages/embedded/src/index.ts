export { installedPostgres } from './distribution-postgres.js';
export {
  startEmbeddedPostgres,
  type EmbeddedPostgres,
  type EmbeddedPostgresOptions,
} from './embedded-postgres.js';
export { EmbeddedServiceError } from './embedded-service-error.js';
export { findFreePort } from './free-port.js';
export { startPrivateRedis, type PrivateRedis, type PrivateRedisOptions } from './private-redis.js';
