import { redisRefusal } from '@posthorn/runtime';
import { Redis } from 'ioredis';

import {
  connectionProblem,
  inOneLine,
  lasting,
  type NamedService,
  namedService,
  passing,
  type ServiceProblem,
  serviceTimeoutMs,
} from './service-problem.js';

/** The oldest Redis whose commands are all that we use; Valkey and others report the version of Redis that they follow. */
const redisVersionMin = '6.2';

export interface RedisUse {
  /** In front of every key of ours: whether we may write there is tried. Without it only connecting is. */
  prefix?: string;
  /** What does not keep us from starting, in one line. */
  onWarning?: (line: string) => void;
}

/** Connects once and says what is wrong with the Redis that REDIS_URL names, or null. */
export async function redisProblem(
  url: string,
  { prefix, onWarning }: RedisUse = {},
): Promise<ServiceProblem | null> {
  const named = namedService('REDIS_URL', 'Redis', url);
  const redis = new Redis(url, {
    lazyConnect: true,
    // A server that loads its data is one of the answers that are looked for.
    enableReadyCheck: false,
    connectTimeout: serviceTimeoutMs,
    commandTimeout: serviceTimeoutMs,
    maxRetriesPerRequest: 0,
    retryStrategy: () => null,
  });
  // What `connect` rejects with says only that the connection was closed.
  let cause: Error | undefined;
  redis.on('error', (error: Error) => (cause ??= error));
  try {
    await redis.connect();
    await redis.ping();
    // A database that cannot be selected is an event only: what follows would go to another one.
    if (cause) throw cause;
    const facts = await readFacts(redis);
    const old = versionProblem(named, facts);
    if (old || prefix === undefined) return old;
    await redis.set(`${prefix}:start-check`, '1', 'PX', 1_000);
    warnOfEviction(named, facts, onWarning);
    return null;
  } catch (error) {
    return describeRedisError(named, cause ?? (error as Error));
  } finally {
    redis.disconnect();
  }
}

/** `INFO` by name. Empty where it may not be read. */
async function readFacts(redis: Redis): Promise<ReadonlyMap<string, string>> {
  const text = await redis.info().catch((error: unknown) => {
    if (inOneLine(error as Error).startsWith('NOPERM')) return '';
    throw error;
  });
  return new Map([...text.matchAll(/^(\w+):(.*?)\r?$/gm)].map(([, name = '', value = '']) => [name, value]));
}

function versionProblem(named: NamedService, facts: ReadonlyMap<string, string>): ServiceProblem | null {
  const version = facts.get('redis_version');
  if (version === undefined || isAtLeast(version, redisVersionMin)) return null;
  return lasting(
    named,
    `Redis at ${named.address} is version ${version}; Posthorn needs ${redisVersionMin} or newer. Upgrade it, or use another one in REDIS_URL.`,
  );
}

function isAtLeast(version: string, least: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  const [majorMin = 0, minorMin = 0] = least.split('.').map(Number);
  return major > majorMin || (major === majorMin && minor >= minorMin);
}

function warnOfEviction(
  named: NamedService,
  facts: ReadonlyMap<string, string>,
  onWarning: RedisUse['onWarning'],
): void {
  const policy = facts.get('maxmemory_policy');
  if (policy === undefined || policy === 'noeviction' || facts.get('maxmemory') === '0') return;
  onWarning?.(
    `${named.variable}: Redis at ${named.address} drops keys when its memory is full (maxmemory-policy ${policy}), which delays deliveries. Set noeviction.`,
  );
}

function describeRedisError(named: NamedService, error: Error): ServiceProblem {
  const { address } = named;
  const said = inOneLine(error);
  const refusal = redisRefusal(error, { redis: `Redis at ${address}`, quoted: true });
  if (refusal) return (refusal.passes ? passing : lasting)(named, refusal.problem);
  if (/^(?:Protocol error|Unknown RESP type)/.test(said)) {
    return lasting(
      named,
      `what listens at ${address} does not speak Redis in the clear. Correct REDIS_URL; where Redis requires TLS, it begins with rediss://.`,
    );
  }
  if (/max number of clients/i.test(said)) {
    return passing(named, `Redis at ${address} has no connection free: ${said}. Raise its maxclients.`);
  }
  const network = connectionProblem(named, error);
  if (network) return network;
  return lasting(named, `Redis at ${address} cannot be used: ${said}. Correct REDIS_URL.`);
}
