import { redisRefusal, type Logger } from '@posthorn/runtime';

export interface RefusalLogOptions {
  readonly logger: Logger;
  readonly nowMs?: () => number;
  /** With nothing refused for so long and a write that succeeded, Redis takes commands again. */
  readonly quietMs?: number;
}

interface Refusing {
  readonly sinceMs: number;
  lastMs: number;
  loggedAtMs: number;
  refused: number;
}

/**
 * While Redis refuses commands (read only, full, busy, …), everything that runs fails again and again. Its warnings become
 * one line when a refusal begins, one every 30 s at most, and one when it is over; all others are logged as they are.
 */
export function createRefusalLog({ logger, nowMs = Date.now, quietMs = 3_000 }: RefusalLogOptions) {
  const refusing = new Map<string, Refusing>();

  /** Whether the error was a refusal, which is then logged here. */
  function note(error: unknown): boolean {
    const refusal = redisRefusal(error);
    if (!refusal) return false;
    const { code, problem } = refusal;
    const now = nowMs();
    let episode = refusing.get(code);
    if (!episode) {
      episode = { sinceMs: now, lastMs: now, loggedAtMs: -Infinity, refused: 0 };
      refusing.set(code, episode);
    }
    episode.refused += 1;
    episode.lastMs = now;
    if (now - episode.loggedAtMs < everyMs) return true;
    episode.loggedAtMs = now;
    logger.warn('queue.redis_refuses', { code, problem, ...figuresOf(episode, now) });
    return true;
  }

  return {
    /** The same logger, whose warnings about refusals are gathered. */
    logger: {
      ...logger,
      warn(event: string, fields: object = {}): void {
        if (!('error' in fields && note(fields.error))) logger.warn(event, fields);
      },
    } satisfies Logger,

    /** A write succeeded just now. One alone ends nothing: a Redis that is nearly full takes some and refuses others. */
    noteWrite(): void {
      const now = nowMs();
      for (const [code, episode] of refusing) {
        if (now - episode.lastMs < quietMs) continue;
        refusing.delete(code);
        logger.info('queue.redis_recovered', { code, ...figuresOf(episode, now) });
      }
    },
  };
}

const everyMs = 30_000;

function figuresOf({ refused, sinceMs }: Refusing, nowMs: number) {
  return { refused, seconds: Math.round((nowMs - sinceMs) / 1000) };
}
