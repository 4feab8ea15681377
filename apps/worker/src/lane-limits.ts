import type { EndpointCache } from '@posthorn/delivery/attempt';
import type { LaneLimits } from '@posthorn/queue';

type DeliveryTarget = NonNullable<Awaited<ReturnType<EndpointCache['get']>>>;
type ReadyTarget = Extract<DeliveryTarget, { kind: 'ready' }>;
type LimitedTarget =
  | Pick<ReadyTarget, 'kind' | 'customer' | 'rateLimit' | 'maxInFlight' | 'healthEpoch'>
  | Pick<Exclude<DeliveryTarget, ReadyTarget>, 'kind'>;

interface DefaultLimits {
  customerInFlightMax: number;
  endpointInFlightMax: number;
}

/**
 * Within what a lane sends. A target that was deleted, or does not open, says nothing about its customer, whose other lanes
 * keep running: the customer's limits are left out, which is not the same as none.
 */
export function laneLimits(target: LimitedTarget | undefined, defaults: DefaultLimits): LaneLimits {
  if (target?.kind !== 'ready') {
    return { endpointRateLimit: null, healthEpoch: 0, endpointMaxInFlight: defaults.endpointInFlightMax };
  }
  return {
    customerRateLimit: target.customer.rateLimit,
    endpointRateLimit: target.rateLimit,
    healthEpoch: target.healthEpoch,
    customerMaxInFlight: target.customer.maxInFlight ?? defaults.customerInFlightMax,
    endpointMaxInFlight: target.maxInFlight ?? defaults.endpointInFlightMax,
  };
}
