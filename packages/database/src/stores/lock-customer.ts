import type { Transaction } from '../database.js';

/** Whoever makes something that counts for this customer at the same time waits here, and then sees what we made. */
export async function lockCustomer(
  tx: Transaction,
  customerId: string,
): Promise<{ maxEndpoints: number | null } | undefined> {
  const [row] = await tx.$queryRaw<{ maxEndpoints: number | null }[]>`
    SELECT max_endpoints AS "maxEndpoints" FROM customer WHERE id = ${customerId} AND erased_at IS NULL FOR NO KEY UPDATE`;
  return row;
}
