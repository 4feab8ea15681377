import type { DispatcherOptions } from '../dispatcher-options.js';

/** What one customer costs the process that delivers for it. */
export interface CustomerLoad {
  readonly customerId: string;
  /** Sends begun per second, smoothed, and a tenth of those in flight. */
  readonly load: number;
  /** Its longest send of late, ended or in flight. */
  readonly longestMs: number;
  /** How long it has been measured without a pause. */
  readonly measuredForMs: number;
}

/** Measures the customers of this process by what they start, and by how long it takes. */
export function createLoadMeter() {
  const meters = new Map<string, Meter>();

  return {
    /** A send begins; the function given back is called when it ends. */
    begin(customerId: string, nowMs: number): (endedAtMs: number) => void {
      let meter = meters.get(customerId);
      if (!meter) meters.set(customerId, (meter = newMeter(nowMs)));
      const { running } = meter;
      const send = { atMs: nowMs };
      meter.starts++;
      running.add(send);
      return (endedAtMs) => {
        running.delete(send);
        const tookMs = endedAtMs - send.atMs;
        if (tookMs < meter.longest.tookMs && endedAtMs - meter.longest.endedAtMs < longestForMs) return;
        meter.longest = { tookMs, endedAtMs };
      };
    },

    /** The loads since the last sample. Customers that have nothing to do are forgotten. */
    sample(nowMs: number): CustomerLoad[] {
      const loads: CustomerLoad[] = [];
      for (const [customerId, meter] of meters) {
        // Starts and the time they took fade alike, so that a new customer's rate is right from its first second.
        const passedMs = nowMs - meter.sampledAtMs;
        const fading = Math.exp(-passedMs / smoothMs);
        meter.weighedStarts = meter.weighedStarts * fading + meter.starts;
        meter.weighedMs = meter.weighedMs * fading + passedMs;
        meter.starts = 0;
        meter.sampledAtMs = nowMs;
        const rate = (meter.weighedStarts * 1000) / Math.max(meter.weighedMs, rateOverMinMs);
        const load = rate + meter.running.size / inFlightPerStart;
        if (load < negligible) meters.delete(customerId);
        else
          loads.push({
            customerId,
            load,
            longestMs: longestOf(meter, nowMs),
            measuredForMs: nowMs - meter.sinceMs,
          });
      }
      return loads;
    },

    /** The customer is another worker's now. */
    forget(customerId: string): void {
      meters.delete(customerId);
    },
  };
}

export type LoadMeter = ReturnType<typeof createLoadMeter>;

/** The same handler, measured. */
export function measured(meter: LoadMeter, handle: DispatcherOptions['handle']): DispatcherOptions['handle'] {
  return async (job, signal, waitForRateLimit) => {
    const end = meter.begin(job.customerId, Date.now());
    try {
      return await handle(job, signal, waitForRateLimit);
    } finally {
      end(Date.now());
    }
  };
}

interface Meter {
  readonly sinceMs: number;
  starts: number;
  sampledAtMs: number;
  weighedStarts: number;
  weighedMs: number;
  longest: { readonly tookMs: number; readonly endedAtMs: number };
  /** In the order in which they began. */
  readonly running: Set<{ readonly atMs: number }>;
}

const smoothMs = 2000;
// One start within a few ms is not hundreds per second.
const rateOverMinMs = 500;
// An endpoint that hangs begins the next send that will hang when one has ended.
const longestForMs = 5000;
const inFlightPerStart = 10;
const negligible = 0.01;

function longestOf({ longest, running }: Meter, nowMs: number): number {
  const [oldest] = running;
  return Math.max(
    nowMs - longest.endedAtMs < longestForMs ? longest.tookMs : 0,
    oldest === undefined ? 0 : nowMs - oldest.atMs,
  );
}

function newMeter(nowMs: number): Meter {
  return {
    sinceMs: nowMs,
    starts: 0,
    sampledAtMs: nowMs,
    weighedStarts: 0,
    weighedMs: 0,
    longest: { tookMs: 0, endedAtMs: -Infinity },
    running: new Set(),
  };
}

/**
 * How long a send may take whose end is worth waiting for: a second, or more where half of the customers need more,
 * because then it is this worker that is slow, and not an endpoint.
 */
export function briefMsOf(loads: readonly CustomerLoad[]): number {
  const sorted = loads.map(({ longestMs }) => longestMs).sort((a, b) => a - b);
  const median = sorted[Math.floor(sorted.length / 2)] ?? 0;
  return Math.min(briefMostMs, Math.max(briefLeastMs, 1.5 * median));
}

const briefLeastMs = 1000;
const briefMostMs = 4000;
