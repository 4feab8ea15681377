import { existsSync } from 'node:fs';
import path from 'node:path';

/** `prisma/migrations` of the folder this program lies in, however deep: the project's root, or that of an image. */
export function findMigrationsDir(from = import.meta.dirname): string {
  const found = path.join(from, 'prisma', 'migrations');
  if (existsSync(found)) return found;
  const above = path.dirname(from);
  if (above === from) throw new Error('There is no prisma/migrations in any folder above the program');
  return findMigrationsDir(above);
}
