import { type Prisma, type PrismaClient, cutPage, type Page } from '@posthorn/database';
import type { AttemptStatus, AttemptTrigger } from '@posthorn/domain';

export interface Attempt extends Omit<
  Prisma.AttemptModel,
  'trigger' | 'status' | 'requestHeaders' | 'responseHeaders'
> {
  trigger: AttemptTrigger;
  status: AttemptStatus;
  requestHeaders: Record<string, string>;
  responseHeaders: Record<string, string> | null;
}

export interface AttemptStore {
  /** By number, the latest first. */
  list(query: { deliveryId: string; limit: number; before: number | null }): Promise<Page<Attempt, number>>;
}

export function createAttemptStore({ prisma }: { prisma: PrismaClient }): AttemptStore {
  return {
    async list({ deliveryId, limit, before }) {
      const rows = await prisma.attempt.findMany({
        where: { deliveryId, ...(before !== null && { number: { lt: before } }) },
        orderBy: { number: 'desc' },
        take: limit + 1,
      });
      return cutPage(rows, limit, attemptOf, ({ number }) => number);
    },
  };
}

/** The pipeline alone writes attempts, in this form. */
function attemptOf(row: Prisma.AttemptModel): Attempt {
  return {
    ...row,
    trigger: row.trigger as AttemptTrigger,
    status: row.status as AttemptStatus,
    requestHeaders: row.requestHeaders as Record<string, string>,
    responseHeaders: row.responseHeaders as Record<string, string> | null,
  };
}
