import type { WindowCounter } from '../limits/window-counter.js';

/** What Redis does for several processes, in memory, on a clock that stands still unless moved. */
export class SharedCounter implements WindowCounter {
  readonly windows = new Map<string, { total: number; untilMs: number }>();
  asked = 0;
  nowMs = 1_000;
  isDown = false;

  async add(name: string, points: number, windowSeconds: number) {
    this.asked++;
    await new Promise(setImmediate);
    if (this.isDown) throw new Error('connect ECONNREFUSED');
    const known = this.windows.get(name);
    const window =
      known && known.untilMs > this.nowMs ? known : { total: 0, untilMs: this.nowMs + windowSeconds * 1_000 };
    window.total += points;
    this.windows.set(name, window);
    return { total: window.total, msLeft: window.untilMs - this.nowMs };
  }

  close(): void {
    this.windows.clear();
  }
}
