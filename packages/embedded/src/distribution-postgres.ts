import { existsSync, readdirSync } from 'node:fs';
import path from 'node:path';

import { EmbeddedServiceError } from './embedded-service-error.js';
import type { PostgresPrograms } from './postgres-programs.js';

/** Where Debian and its descendants put the programs of each major version. */
const VERSIONS = '/usr/lib/postgresql';

/**
 * Which Postgres to run: `embedded` (or nothing) is the one in the npm package, `distribution` the newest that the
 * operating system has installed, and a folder is that of the programs of another one.
 */
export function installedPostgres(choice: string | undefined): PostgresPrograms | undefined {
  if (choice === undefined || choice === '' || choice === 'embedded') return undefined;
  const folder = choice === 'distribution' ? newestFolder() : choice;
  const programs = { initdb: path.join(folder, 'initdb'), postgres: path.join(folder, 'postgres') };
  if (existsSync(programs.initdb) && existsSync(programs.postgres)) return programs;
  throw new EmbeddedServiceError(
    `There is no Postgres in ${folder}. Install the operating system's package "postgresql", or name the folder that has initdb and postgres.`,
  );
}

function newestFolder(): string {
  const versions = existsSync(VERSIONS) ? readdirSync(VERSIONS).map(Number).filter(Number.isFinite) : [];
  return path.join(VERSIONS, versions.length === 0 ? '*' : String(Math.max(...versions)), 'bin');
}
