import { eraseCustomer, type EraseCustomerDeps } from './erase-customer.sql.js';
import { hasFreeTurn } from './erasure-turns.sql.js';

/**
 * One pass: goes on with erasures whose process died or lost its database, so that nobody has to ask again. Those that are
 * under way are left alone, and so are all while this process has no turn free: a later pass goes on with them. Several processes
 * may run it at once.
 */
export async function finishErasures(
  deps: Omit<EraseCustomerDeps, 'signal'>,
  signal: AbortSignal,
): Promise<void> {
  const { rows } = await deps.pool.query<{ customerId: string }>(
    'SELECT customer_id AS "customerId" FROM erasure ORDER BY id',
  );
  for (const { customerId } of rows) {
    if (!hasFreeTurn(deps.pool)) return;
    try {
      await eraseCustomer({ ...deps, signal }, customerId);
    } catch (error) {
      if (signal.aborted) return;
      throw error;
    }
  }
}
