import { LRUCache } from 'lru-cache';

export interface LoadingCache<V extends object> {
  /** The cached value, or the result of one load that all who ask meanwhile share; undefined when there is none. */
  get(key: string): Promise<V | undefined>;
  /** Forgets a value; a load under way still answers those who waited for it, but is not kept. */
  drop(key: string): void;
  clear(): void;
}

export interface LoadingCacheLimits<V extends object> {
  entriesMax: number;
  /** What the entries may weigh together. No entry counts for more than a quarter of it, or it would never be kept. */
  sizeMax: number;
  sizeOf: (value: V) => number;
}

/** Keeps what `load` found until it is dropped. What was not found, and failures, are asked for again. */
export function createLoadingCache<V extends object>(
  max: number | LoadingCacheLimits<V>,
  load: (key: string) => Promise<V | undefined>,
): LoadingCache<V> {
  const limits = typeof max === 'number' ? undefined : max;
  const entries = new LRUCache<string, Promise<V | undefined>>({
    max: typeof max === 'number' ? max : max.entriesMax,
    ...(limits && { maxSize: limits.sizeMax }),
  });
  // How large it is shows when it is loaded.
  const sizeUnknown = limits && { size: 1 };
  return {
    get(key) {
      const known = entries.get(key);
      if (known) return known;
      const loading = load(key);
      entries.set(key, loading, sizeUnknown);
      const forget = () => {
        if (entries.peek(key) === loading) entries.delete(key);
      };
      loading.then((value) => {
        if (value === undefined) forget();
        else if (limits && entries.peek(key) === loading) {
          // A value that is set again keeps the size that it had.
          entries.delete(key);
          entries.set(key, loading, { size: sizeWithin(limits, value) });
        }
      }, forget);
      return loading;
    },
    drop: (key) => void entries.delete(key),
    clear: () => entries.clear(),
  };
}

function sizeWithin<V extends object>({ sizeMax, sizeOf }: LoadingCacheLimits<V>, value: V): number {
  return Math.max(1, Math.min(sizeOf(value), Math.floor(sizeMax / 4)));
}
