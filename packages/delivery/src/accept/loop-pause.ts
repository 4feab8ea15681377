import { setImmediate as nextIteration } from 'node:timers/promises';

/**
 * For work that takes a noticeable time in itself and may be wanted by a thousand callers at once, such as the events of a
 * batch. Resolves in the next iteration of the event loop, for one caller at a time.
 */
export function createLoopPause(): () => Promise<void> {
  let last: Promise<void> = Promise.resolve();
  return () => {
    last = last.then(() => nextIteration());
    return last;
  };
}
