import { performance } from 'node:perf_hooks';

/** How much of the time since its last call the event loop had something to do, 0 to 1. */
export function createLoopMeter(): () => number {
  let last = performance.eventLoopUtilization();
  return () => {
    const now = performance.eventLoopUtilization();
    const { utilization } = performance.eventLoopUtilization(now, last);
    last = now;
    return utilization;
  };
}
