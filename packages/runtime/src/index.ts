export type { Clock } from './clock.js';
export { createLogger, logLevels, type Logger, type LoggerOptions, type LogLevel } from './logger.js';
export {
  createGroupCommit,
  GroupCommitOverloaded,
  type GroupCommit,
  type GroupCommitOptions,
} from './group-commit.js';
export { generateKeyring, parseKeyring, type EncryptionKey, type KeyringResult } from './keyring.js';
export { createSecretBox, SecretBoxError, type SecretBox } from './secret-box.js';
export { createShutdown, type Shutdown, type ShutdownOptions, type ShutdownResult } from './shutdown.js';
export {
  ConfigError,
  loadConfig,
  roles,
  type Config,
  type Environment,
  type MigrateConfig,
  type Role,
  type ServeConfig,
} from './config.js';
export { configVariables, type Command, type ConfigVariable } from './config-variables.js';
export { redisRefusal, type RedisRefusal } from './redis-refusal.js';
export { describeConfig } from './describe-config.js';
export { readOrMakeKeyring } from './stored-keyring.js';
