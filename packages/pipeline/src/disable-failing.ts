import { findFailingFor } from '@posthorn/database';
import { operatorCustomerId } from '@posthorn/domain';
import type pg from 'pg';

import type { EndpointDisabler } from './disable-endpoint.js';

export interface DisableFailingDeps {
  pool: pg.Pool;
  disabler: EndpointDisabler;
  /** Null: never. */
  disableAfterMs: number | null;
}

/**
 * One pass: disables the endpoints all of whose attempts have failed over that long; what is pending for them is held. The
 * operator's own stay: nobody would be told. Several processes may run it at once.
 */
export async function disableFailing({ pool, disabler, disableAfterMs }: DisableFailingDeps): Promise<void> {
  if (disableAfterMs === null) return;
  for (const endpointId of await findFailingFor(pool, disableAfterMs, operatorCustomerId)) {
    if (await disabler.disable(endpointId, 'failing')) await disabler.holdPending(endpointId);
  }
}
