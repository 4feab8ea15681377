/**
 * How long an opening lasts, in milliseconds: what the caller reckons from the endpoint's policy, but on a lane of
 * one-shots what each of them says, as each has a policy of its own.
 */
export function deliveryLifetimeSql(
  { oneShots }: { oneShots: boolean },
  reckoned: string,
  eventId: string,
): string {
  return oneShots
    ? `COALESCE((SELECT o.open_for_ms FROM one_shot o WHERE o.id = ${eventId}), ${reckoned}::bigint)`
    : `${reckoned}::bigint`;
}
