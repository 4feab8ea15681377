export interface CustomerShares {
  /** False, and nothing taken, when the customer would have more than its share. */
  take(customerId: string, weight: number): boolean;
  giveBack(customerId: string, weight: number): void;
}

/** How much of something bounded each customer has. Keeps nothing of those who have none. */
export function createCustomerShares(max: number): CustomerShares {
  const taken = new Map<string, number>();
  return {
    take(customerId, weight) {
      const theirs = (taken.get(customerId) ?? 0) + weight;
      if (theirs > max) return false;
      taken.set(customerId, theirs);
      return true;
    },
    giveBack(customerId, weight) {
      const left = (taken.get(customerId) ?? 0) - weight;
      if (left > 0) taken.set(customerId, left);
      else taken.delete(customerId);
    },
  };
}
