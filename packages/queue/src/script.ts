import type { Redis } from 'ioredis';

export type ScriptArgument = string | number;

/**
 * Registers a Lua script on the connection and gives the function that runs it: EVALSHA, and EVAL on a server that does
 * not know it yet.
 */
export function defineScript(
  redis: Redis,
  name: string,
  numberOfKeys: number,
  lua: string,
): (args: readonly ScriptArgument[]) => Promise<unknown> {
  redis.defineCommand(name, { numberOfKeys, lua });
  // defineCommand adds a method at run time.
  const commands = redis as unknown as Record<string, (args: readonly ScriptArgument[]) => Promise<unknown>>;
  return (args) =>
    (commands[name] as (args: readonly ScriptArgument[]) => Promise<unknown>).call(redis, args);
}
