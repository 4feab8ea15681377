import { Redis } from 'ioredis';
import pg from 'pg';

export interface ServiceProblem {
  /** `wrong`: it answers and refuses us, which waiting does not mend. `down`: it does not answer. */
  kind: 'wrong' | 'down';
  /** One line that says what to do. Shows no password. */
  line: string;
}

const timeoutMs = 4_000;

/** Connects once and says what is wrong with DATABASE_URL, or null. */
export async function postgresProblem(url: string): Promise<ServiceProblem | null> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: timeoutMs });
  client.on('error', () => undefined);
  try {
    await client.connect();
    await client.query('SELECT 1');
    return null;
  } catch (error) {
    return describe('DATABASE_URL', 'Postgres', url, error as Error);
  } finally {
    void client.end().catch(() => undefined);
  }
}

/** Connects once and says what is wrong with REDIS_URL, or null. */
export async function redisProblem(url: string): Promise<ServiceProblem | null> {
  const redis = new Redis(url, {
    lazyConnect: true,
    connectTimeout: timeoutMs,
    commandTimeout: timeoutMs,
    maxRetriesPerRequest: 0,
    retryStrategy: () => null,
  });
  // What `connect` rejects with says only that the connection was closed.
  let cause: Error | undefined;
  redis.on('error', (error: Error) => (cause ??= error));
  try {
    await redis.connect();
    await redis.ping();
    return null;
  } catch (error) {
    return describe('REDIS_URL', 'Redis', url, cause ?? (error as Error));
  } finally {
    redis.disconnect();
  }
}

function describe(variable: string, service: string, url: string, error: Error): ServiceProblem {
  const { code } = error as NodeJS.ErrnoException;
  const place = new URL(url).host || 'that address';
  if (code === 'ECONNREFUSED') {
    return down(`${variable}: nothing listens at ${place}. Start ${service} there or correct ${variable}.`);
  }
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN') {
    return down(`${variable}: the host of ${place} cannot be found. Correct ${variable}.`);
  }
  if (/timeout|timed out/i.test(error.message) || code === 'ETIMEDOUT') {
    return down(
      `${variable}: no ${service} answers at ${place} within ${timeoutMs / 1000} s. Check that it is ${service}, and the network between.`,
    );
  }
  const said = error.message
    .replace(/\s+/g, ' ')
    .replace(/[. ]+$/, '')
    .trim();
  // A server's own refusal has a code such as 28P01 (password), 3D000 (no such database), WRONGPASS, NOAUTH.
  const refused = error instanceof pg.DatabaseError || /^[A-Z]{4,} /.test(said);
  const line = `${variable}: ${service} at ${place} ${refused ? 'refuses us' : 'cannot be used'}: ${said}. Correct ${variable}.`;
  return { kind: refused && code !== '57P03' ? 'wrong' : 'down', line };
}

function down(line: string): ServiceProblem {
  return { kind: 'down', line };
}
