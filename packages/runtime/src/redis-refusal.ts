/** A reply of Redis that refuses commands, whatever these are. */
export interface RedisRefusal {
  /** The first word of the reply: `READONLY`, `OOM`, … */
  code: string;
  /** It may end without a change to Redis's users or to our configuration. */
  passes: boolean;
  /** What is so and what to do about it. */
  problem: string;
}

/**
 * What a reply of Redis means, or null when it is another error. `redis` names the server; `quoted` adds its own words, which
 * may name users and keys, where they say more than the code.
 */
export function redisRefusal(
  error: unknown,
  { redis = 'Redis', quoted = false }: { redis?: string; quoted?: boolean } = {},
): RedisRefusal | null {
  if (!(error instanceof Error) || error.name !== 'ReplyError') return null;
  // Before version 7 Redis put the errors of a script's commands into one of its own.
  const code = /^(?:ERR .*?-)?([A-Z]+) /.exec(error.message)?.[1] ?? '';
  const said = error.message.replace(/\s+/g, ' ').replace(/[. ]+$/, '');
  const known = refusals(redis, quoted ? `: ${said}` : '')[code];
  return known ? { code, ...known } : null;
}

function refusals(redis: string, reply: string): Record<string, Omit<RedisRefusal, 'code'>> {
  const lasting = (problem: string) => ({ passes: false, problem: `${redis} ${problem}` });
  const passing = (problem: string) => ({ passes: true, problem: `${redis} ${problem}` });
  return {
    NOAUTH: lasting('wants a password and REDIS_URL has none. Add it: redis://:password@host:6379.'),
    WRONGPASS: lasting(`refuses the user or the password${reply}. Correct REDIS_URL.`),
    NOPERM: lasting(
      `does not allow the user of REDIS_URL to write${reply}. Give it all commands on the keys of POSTHORN_QUEUE_PREFIX.`,
    ),
    MOVED: lasting(
      'is a node of a cluster and has not the keys of POSTHORN_QUEUE_PREFIX. Name the node that has them, or a Redis without cluster mode.',
    ),
    LOADING: passing('is loading its data. Wait until it has.'),
    BUSY: passing(`is busy with a script${reply}. Wait until it ends.`),
    MASTERDOWN: passing('is a replica without its master. Name the master.'),
    READONLY: passing('is a replica, which takes no writes. Name the master in REDIS_URL.'),
    NOREPLICAS: passing(
      'has fewer replicas than min-replicas-to-write and refuses writes. Start them, or lower it.',
    ),
    CLUSTERDOWN: passing(`is part of a cluster that is down${reply}. Mend the cluster.`),
    MISCONF: passing('cannot save its data and refuses writes. Look at its log and its disk.'),
    OOM: passing('is out of memory and refuses writes. Give it more, or raise maxmemory.'),
  };
}
