/** What one customer costs the process that delivers for it. */
export interface CustomerLoad {
  readonly customerId: string;
  /** Sends begun per second, smoothed, and a tenth of those in flight. */
  readonly load: number;
  /** Every send of late ended quickly, and so will those in flight: waiting for them takes no time to speak of. */
  readonly brief: boolean;
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
        if (endedAtMs - send.atMs >= briefMs) meter.slowAtMs = endedAtMs;
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
        const [oldest] = meter.running;
        const slow =
          nowMs - meter.slowAtMs < slowForMs || (oldest !== undefined && nowMs - oldest.atMs >= briefMs);
        const load = rate + meter.running.size / inFlightPerStart;
        if (load < negligible && !slow) meters.delete(customerId);
        else loads.push({ customerId, load, brief: !slow, measuredForMs: nowMs - meter.sinceMs });
      }
      return loads;
    },

    /** The customer is somebody else's now. */
    forget(customerId: string): void {
      meters.delete(customerId);
    },
  };
}

export type LoadMeter = ReturnType<typeof createLoadMeter>;

interface Meter {
  readonly sinceMs: number;
  starts: number;
  sampledAtMs: number;
  weighedStarts: number;
  weighedMs: number;
  slowAtMs: number;
  /** In the order in which they began. */
  readonly running: Set<{ readonly atMs: number }>;
}

const smoothMs = 2000;
// One start within a few ms is not hundreds per second.
const rateOverMinMs = 500;
const briefMs = 1000;
// One slow send among many quick ones marks an endpoint that will have another.
const slowForMs = 30_000;
const inFlightPerStart = 10;
const negligible = 0.01;

function newMeter(nowMs: number): Meter {
  return {
    sinceMs: nowMs,
    starts: 0,
    sampledAtMs: nowMs,
    weighedStarts: 0,
    weighedMs: 0,
    slowAtMs: -Infinity,
    running: new Set(),
  };
}
