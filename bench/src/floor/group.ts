const GROUP_MAX = 500;
const COMMITS_AT_ONCE = 2;

/** Items that come together share one call of `commit`; two run at a time, and the others gather meanwhile. */
export function createGroup<T, R>(commit: (items: T[]) => Promise<R[]>): (item: T) => Promise<R> {
  interface Waiting {
    item: T;
    resolve: (result: R) => void;
    reject: (error: unknown) => void;
  }
  const waiting: Waiting[] = [];
  let running = 0;

  async function start(): Promise<void> {
    if (running >= COMMITS_AT_ONCE || waiting.length === 0) return;
    running += 1;
    const group = waiting.splice(0, GROUP_MAX);
    try {
      const results = await commit(group.map(({ item }) => item));
      group.forEach(({ resolve }, index) => resolve(results[index] as R));
    } catch (error) {
      for (const { reject } of group) reject(error);
    }
    running -= 1;
    void start();
  }

  return (item) =>
    new Promise<R>((resolve, reject) => {
      waiting.push({ item, resolve, reject });
      if (waiting.length === 1) setImmediate(() => void start());
    });
}
