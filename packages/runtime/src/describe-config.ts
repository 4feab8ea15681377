import { configVariables } from './config-variables.js';
import type { Config } from './config.js';

/** The effective configuration as log fields, secrets hidden: for `logger.info('config.loaded', describeConfig(config))`. */
export function describeConfig(config: Config): Record<string, unknown> {
  const fields: Record<string, unknown> = { command: config.command, roles: config.roles };
  for (const { property, secret } of configVariables) {
    if (!secret) fields[snakeCase(property)] = config[property as keyof Config];
  }
  return {
    ...fields,
    database: placeOf(config.databaseUrl),
    redis: placeOf(config.redisUrl),
    admin_key_is_set: config.adminKey !== null,
    encryption_key_ids: config.encryptionKeys.map(({ id }) => id),
  };
}

function snakeCase(property: string): string {
  return property.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

/** Where a service is; its user, password and options stay out. */
function placeOf(url: string | null): string | null {
  if (url === null) return null;
  const { protocol, host, pathname } = new URL(url);
  return `${protocol}//${host}${pathname}`;
}
