import type { Prisma, PrismaClient } from '@posthorn/database';
import { breakerStateAt, type EndpointHolds, type WaitingFor, waitingForOf } from '@posthorn/domain';

/** Why each pending delivery waits, in their order; null for others. Asks for its endpoints only when one is due. */
export async function readWaitingFor(
  prisma: PrismaClient,
  deliveries: readonly Prisma.DeliveryModel[],
  nowMs: number,
): Promise<(WaitingFor | null)[]> {
  const due = deliveries.filter(({ nextAttemptAt }) => nextAttemptAt !== null && +nextAttemptAt <= nowMs);
  const holds = await readHolds(prisma, [...new Set(due.map(({ endpointId }) => endpointId))], nowMs);
  return deliveries.map(({ nextAttemptAt, endpointId }) => {
    if (nextAttemptAt === null) return null;
    return waitingForOf(nextAttemptAt.getTime(), holds.get(endpointId) ?? holdsNothing, nowMs);
  });
}

const holdsNothing: EndpointHolds = { breaker: 'closed', pausedUntilMs: null, rateLimited: false };

async function readHolds(
  prisma: PrismaClient,
  endpointIds: string[],
  nowMs: number,
): Promise<Map<string, EndpointHolds>> {
  if (endpointIds.length === 0) return new Map();
  const rows = await prisma.endpoint.findMany({
    where: { id: { in: endpointIds } },
    select: {
      id: true,
      rateLimitMax: true,
      healthEpoch: true,
      health: true,
      customer: { select: { rateLimitMax: true } },
    },
  });
  return new Map(
    rows.map(({ id, rateLimitMax, healthEpoch, health, customer }) => {
      const known = health?.epoch === healthEpoch ? health : null;
      const holds = {
        breaker: breakerStateAt(known?.openUntil?.getTime() ?? null, nowMs),
        pausedUntilMs: known?.shutUntil?.getTime() ?? null,
        rateLimited: rateLimitMax !== null || customer.rateLimitMax !== null,
      };
      return [id, holds];
    }),
  );
}
