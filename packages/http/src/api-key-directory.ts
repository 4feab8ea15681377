import type { Scope } from '@posthorn/api-contract';
import { type ApiKeyStore, type ChangeKind, isDatabaseUnavailable, type RateLimit } from '@posthorn/database';
import { type Clock, createGroupCommit, GroupCommitOverloaded, type Logger } from '@posthorn/runtime';
import { LRUCache } from 'lru-cache';

import { unavailable } from './app-error.js';
import { createLastUseRecorder } from './last-use-recorder.js';

export interface KnownApiKey {
  id: string;
  scopes: readonly Scope[];
  /** Not null: the key is restricted to this customer. */
  customerId: string | null;
  /** Of its requests; null: the default. */
  rateLimit: RateLimit | null;
}

export interface ApiKeyDirectory {
  /** By the SHA-256 of the whole key; null when unknown or revoked. Throws `unavailable` when nobody can tell. */
  find(hash: Buffer): Promise<KnownApiKey | null>;
  /** Whether this process has found it before, and nobody has said since that it changed. */
  isKnown(hash: Buffer): boolean;
  /** Wire both to the change feed. */
  onChange(kind: ChangeKind, id: string): void;
  onGap(): void;
  /** Writes what is left to write. */
  close(): Promise<void>;
}

export interface ApiKeyDirectoryDeps {
  apiKeys: Pick<ApiKeyStore, 'findByHash' | 'touchLastUsed'>;
  clock: Clock;
  logger: Logger;
}

/**
 * Keys as this process knows them. A known key is good for 10 s, or until the change feed says otherwise; in the second
 * half of that time it is looked up again while it still serves. An unknown one stays unknown for 1 s. While Postgres is
 * away, known keys that nobody reported changed stay good.
 */
export function createApiKeyDirectory({ apiKeys, clock, logger }: ApiKeyDirectoryDeps): ApiKeyDirectory {
  const known = new LRUCache<string, Known>({ max: knownMax });
  // Apart from the known ones: guessing at keys must not push real ones out.
  const unknownUntil = new LRUCache<string, number>({ max: unknownMax });
  const uses = createLastUseRecorder({ apiKeys, clock, logger });
  // Counts announcements: what was read before one and arrives after it is used, but not kept.
  let epoch = 0;

  // A few statements at a time, whoever asks: a flood of invented keys must not take the pool from those who accept.
  const lane = (queueMax: number) =>
    createGroupCommit<Buffer, KnownApiKey | null>({
      commit: (hashes) => Promise.all(hashes.map((hash) => findKey(apiKeys, hash))),
      batchMax: readsMaxPerLane,
      concurrencyMax: 1,
      queueMax,
      isRetryableRowByRow: () => false,
    });
  const readStranger = lane(strangersMax);
  // Nor must it keep the known ones waiting.
  const readKnown = lane(knownMax);
  const reading = new Map<string, Promise<KnownApiKey | null>>();

  const load = async (name: string, hash: Buffer): Promise<KnownApiKey | null> => {
    const epochBefore = epoch;
    // From before the wait: what it finds may have changed at any time since.
    const askedMs = clock.nowMs();
    const key = await (known.has(name) ? readKnown : readStranger)(hash);
    if (!key) known.delete(name);
    if (epoch !== epochBefore) return key;
    if (key) {
      known.set(name, {
        key,
        refreshAtMs: askedMs + knownRefreshMs,
        freshUntilMs: askedMs + knownFreshMs,
      });
    } else {
      unknownUntil.set(name, clock.nowMs() + unknownFreshMs);
    }
    return key;
  };

  const loadOnce = (name: string, hash: Buffer): Promise<KnownApiKey | null> => {
    const running = reading.get(name);
    if (running) return running;
    const started = load(name, hash).finally(() => reading.delete(name));
    reading.set(name, started);
    return started;
  };

  const loadOrKeep = async (name: string, hash: Buffer): Promise<KnownApiKey | null> => {
    try {
      return await loadOnce(name, hash);
    } catch (error) {
      const overloaded = error instanceof GroupCommitOverloaded;
      if (!isDatabaseUnavailable(error) && !overloaded) throw error;
      const stale = known.get(name);
      if (stale && !overloaded) return stale.key;
      throw unavailable('API keys cannot be checked now.', error);
    }
  };

  const refresh = (name: string, hash: Buffer, entry: Known): void => {
    entry.refreshAtMs = clock.nowMs() + refreshAgainMs;
    // Whoever comes after its time is up asks again, and hears what went wrong.
    loadOnce(name, hash).catch(() => undefined);
  };

  return {
    isKnown: (hash) => known.has(hash.toString('base64')),

    async find(hash) {
      const name = hash.toString('base64');
      const cached = known.get(name);
      const nowMs = clock.nowMs();
      if (!cached && (unknownUntil.get(name) ?? 0) > nowMs) return null;
      const isFresh = cached !== undefined && cached.freshUntilMs > nowMs;
      if (isFresh && cached.refreshAtMs <= nowMs) refresh(name, hash, cached);
      const key = isFresh ? cached.key : await loadOrKeep(name, hash);
      if (key) uses.record(key.id);
      return key;
    },

    onChange(kind, id) {
      if (kind === 'endpoint') return;
      epoch++;
      unknownUntil.clear();
      reading.clear();
      for (const [name, { key }] of known.entries()) {
        if ((kind === 'api_key' ? key.id : key.customerId) === id) known.delete(name);
      }
    },

    onGap() {
      epoch++;
      unknownUntil.clear();
      reading.clear();
      for (const entry of known.values()) entry.freshUntilMs = 0;
    },

    close: () => uses.close(),
  };
}

interface Known {
  key: KnownApiKey;
  refreshAtMs: number;
  freshUntilMs: number;
}

async function findKey(apiKeys: ApiKeyDirectoryDeps['apiKeys'], hash: Buffer): Promise<KnownApiKey | null> {
  const key = await apiKeys.findByHash(hash);
  if (!key) return null;
  const { id, scopes, customerId, rateLimit } = key;
  return { id, scopes, customerId, rateLimit };
}

const knownMax = 10_000;
const unknownMax = 10_000;
const knownFreshMs = 10_000;
const knownRefreshMs = 5_000;
/** Between two tries to refresh a key that is still good. */
const refreshAgainMs = 1_000;
const unknownFreshMs = 1_000;
const readsMaxPerLane = 2;
const strangersMax = 1_000;
