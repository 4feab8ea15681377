import type { ApiKeyStore } from '@posthorn/database';
import type { Clock, Logger } from '@posthorn/runtime';
import { LRUCache } from 'lru-cache';

export interface LastUseRecorder {
  record(keyId: string): void;
  close(): Promise<void>;
}

export interface LastUseRecorderDeps {
  apiKeys: Pick<ApiKeyStore, 'touchLastUsed'>;
  clock: Clock;
  logger: Logger;
}

/** Writes when keys were last used: in the background, all keys in one statement, each at most once a minute. */
export function createLastUseRecorder({ apiKeys, clock, logger }: LastUseRecorderDeps): LastUseRecorder {
  const recordedAtMs = new LRUCache<string, number>({ max: rememberedMax });
  let waiting = new Map<string, Date>();
  let timer: NodeJS.Timeout | undefined;
  let writing: Promise<void> = Promise.resolve();

  const write = async (): Promise<void> => {
    timer = undefined;
    const uses = [...waiting].map(([id, usedAt]) => ({ id, usedAt }));
    waiting = new Map();
    if (uses.length === 0) return;
    try {
      await apiKeys.touchLastUsed(uses);
    } catch (error) {
      // Only a hint for operators: the next minute's use says the same.
      logger.debug('api_key.last_use_lost', { keys: uses.length, error });
    }
  };

  return {
    record(keyId) {
      const nowMs = clock.nowMs();
      const recorded = recordedAtMs.get(keyId);
      if (recorded !== undefined && nowMs - recorded < perKeyMs) return;
      recordedAtMs.set(keyId, nowMs);
      waiting.set(keyId, new Date(nowMs));
      timer ??= setTimeout(() => {
        writing = write();
      }, gatherMs).unref();
    },

    async close() {
      clearTimeout(timer);
      await writing;
      await write();
    },
  };
}

const rememberedMax = 10_000;
const perKeyMs = 60_000;
const gatherMs = 1_000;
