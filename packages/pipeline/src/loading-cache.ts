import { LRUCache } from 'lru-cache';

export interface LoadingCache<V extends object> {
  /** The cached value, or the result of one load that all who ask meanwhile share; undefined when there is none. */
  get(key: string): Promise<V | undefined>;
  /** Forgets a value; a load under way still answers those who waited for it, but is not kept. */
  drop(key: string): void;
  clear(): void;
}

/** Keeps what `load` found until it is dropped. What was not found, and failures, are asked for again. */
export function createLoadingCache<V extends object>(
  max: number,
  load: (key: string) => Promise<V | undefined>,
): LoadingCache<V> {
  const entries = new LRUCache<string, Promise<V | undefined>>({ max });
  return {
    get(key) {
      const known = entries.get(key);
      if (known) return known;
      const loading = load(key);
      entries.set(key, loading);
      const forget = () => {
        if (entries.peek(key) === loading) entries.delete(key);
      };
      loading.then((value) => {
        if (value === undefined) forget();
      }, forget);
      return loading;
    },
    drop: (key) => void entries.delete(key),
    clear: () => entries.clear(),
  };
}
