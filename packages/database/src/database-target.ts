import { connectionName } from './older-transactions.js';

export interface DatabaseTarget {
  /** What `pg` takes. */
  connectionString: string;
  /** All our connections are known by it, see `untilOlderTransactionsEnd`; one given in the URL comes behind ours. */
  applicationName: string;
  /** Where our tables are, when not where the role looks first. */
  schema: string | null;
}

const verifying = new Set(['prefer', 'require', 'verify-ca']);

/** What a DATABASE_URL says. `?schema=` is Prisma's, and `pg` does not know it. */
export function databaseTarget(databaseUrl: string): DatabaseTarget {
  const url = new URL(databaseUrl);
  const given = url.searchParams.get('application_name');
  const schema = url.searchParams.get('schema');
  url.searchParams.delete('application_name');
  url.searchParams.delete('schema');
  const sslMode = url.searchParams.get('sslmode');
  // To `pg` they are the same as of now; it warns on standard error that its next version will check less.
  if (sslMode !== null && verifying.has(sslMode) && url.searchParams.get('uselibpqcompat') !== 'true')
    url.searchParams.set('sslmode', 'verify-full');
  return {
    connectionString: url.href,
    applicationName: given ? `${connectionName} ${given}` : connectionName,
    schema: schema || null,
  };
}
