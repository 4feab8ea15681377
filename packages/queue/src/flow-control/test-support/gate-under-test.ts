import { type EndpointHealth, HEALTHY, type HealthSignal } from '@posthorn/domain';
import type { LaneLimits } from '../../dispatcher-options.js';
import { recordingLogger } from '../../test-support/queue-under-test.js';
import { CustomerPace } from '../customer-pace.js';
import { LaneGate } from '../lane-gate.js';
import { LaneHealth } from '../lane-health.js';
import type { SlowStartScheduler } from '../slow-start-scheduler.js';

export const signalOf = (kind: HealthSignal['kind'], pauseMs = 0): HealthSignal => ({ kind, pauseMs });

/** A gate by itself, with all that it saves. */
export function gateUnderTest(slowStart: SlowStartScheduler, stored: EndpointHealth = HEALTHY) {
  const saved: { health: EndpointHealth; transition: boolean }[] = [];
  const paces: (number | null)[][] = [];
  const drains: (() => void)[] = [];
  const limits: LaneLimits = { endpointMaxInFlight: 10 };
  const pace = new CustomerPace();
  const health = new LaneHealth(
    {
      customerId: 'acme',
      endpointId: '',
      maxInFlight: limits.endpointMaxInFlight,
      epoch: 0,
      random: () => 0.5,
      logger: recordingLogger(),
      store: {
        load: () => Promise.resolve(null),
        save: (seen, transition) => void saved.push({ health: seen.health, transition }),
        drain: () => new Promise((resolve) => drains.push(resolve)),
      },
    },
    stored,
  );
  const paceStore = {
    readLane: () => Promise.resolve(0),
    readCustomer: () => Promise.resolve(0),
    saveLane: (_lane: string, nextMs: number | null) => void paces.push([nextMs]),
    saveCustomer: (_customerId: string, nextMs: number | null) => void paces.at(-1)?.push(nextMs),
  };
  const owner = {
    customerId: 'acme',
    pace,
    waitForSlot: () => undefined,
    releaseSlot: () => undefined,
    demandChanged: () => undefined,
    closed: () => undefined,
  };
  const gate = new LaneGate({ slowStart, paceStore }, owner, 'acme/ep_1', health, limits);
  return { gate, pace, saved, paces, limits, endDrain: () => drains.shift()?.() };
}
