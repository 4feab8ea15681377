import { setImmediate as turnOfTheLoop } from 'node:timers/promises';

/**
 * For work that takes a noticeable time in itself and may be wanted by a thousand callers at once, such as the events of a
 * batch. Resolves when the rest of the event loop had its turn, for one caller at a time.
 */
export function createLoopPause(): () => Promise<void> {
  let last: Promise<void> = Promise.resolve();
  return () => {
    last = last.then(() => turnOfTheLoop());
    return last;
  };
}
