import { closeDeliveriesOfEndpoint } from '../cancel/close-deliveries-of-endpoint.sql.js';
import { findEndpointsHolding, type EndpointHolding } from './find-endpoints-holding.sql.js';
import { releaseHeld, type ReleaseHeldDeps } from './release-held.js';

const ENDPOINTS_PER_PAGE = 200;
const BEFORE_ALL = '00000000-0000-0000-0000-000000000000';

export interface HeldReconcilerDeps extends ReleaseHeldDeps {
  /** Released per endpoint and pass, so that a large backlog comes back as a ramp. Default 10,000. */
  releasedMax?: number;
}

export interface HeldReconciliation {
  released: number;
  cancelled: number;
}

export interface HeldReconciler {
  /** One pass. Several processes may run it at once. */
  run(): Promise<HeldReconciliation>;
}

/**
 * The pass that makes held deliveries agree with their endpoints: of an enabled one they are released (or cancelled, as
 * its last resume said), of a deleted one cancelled. It finishes what a resume or a deletion
 * left when its process ended or its backlog was long, and it finds the delivery that was accepted or held by what was
 * known before the change and committed after it.
 */
export function createHeldReconciler(deps: HeldReconcilerDeps): HeldReconciler {
  const { pool, logger, releasedMax = 10_000 } = deps;

  return {
    async run() {
      const result: HeldReconciliation = { released: 0, cancelled: 0 };
      for (let after = BEFORE_ALL; ;) {
        const endpoints = await findEndpointsHolding(pool, after, ENDPOINTS_PER_PAGE);
        for (const endpoint of endpoints) await reconcile(endpoint, result);
        const last = endpoints.at(-1);
        if (!last || endpoints.length < ENDPOINTS_PER_PAGE) break;
        after = last.id;
      }
      if (result.released + result.cancelled > 0) logger.info('held.reconciled', { ...result });
      return result;
    },
  };

  async function reconcile(endpoint: EndpointHolding, result: HeldReconciliation): Promise<void> {
    switch (endpoint.status) {
      case 'enabled':
        result.released += await releaseHeld(deps, endpoint, releasedMax);
        return;
      case 'deleted':
        result.cancelled += await closeDeliveriesOfEndpoint(pool, endpoint.id, {
          status: 'cancelled',
          reason: 'endpoint_deleted',
        });
        return;
      case 'paused':
      case 'disabled':
        return;
    }
  }
}
