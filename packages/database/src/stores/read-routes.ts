import type { Audience, EndpointStatus, RetryPolicyInput } from '@posthorn/domain';
import type { PrismaClient } from '../generated/client.js';

/** What fan-out needs of a customer. */
export interface CustomerRoutes {
  /** Changes with every change of `endpoints`; accepting compares it, so that no endpoint is missed. */
  endpointsVersion: number;
  endpoints: RoutedEndpoint[];
}

export interface RoutedEndpoint {
  id: string;
  kind: Audience;
  status: EndpointStatus;
  eventTypes: string[];
  retryPolicy: RetryPolicyInput | null;
}

/** One statement, hence one snapshot: a version read apart from the endpoints could vouch for older ones. */
export async function readRoutes(prisma: PrismaClient, customerId: string): Promise<CustomerRoutes | null> {
  const rows = await prisma.$queryRaw<(RouteRow | NoRouteRow)[]>`
    SELECT c.endpoints_version AS "endpointsVersion", e.id, e.kind, e.status, e.event_types AS "eventTypes", e.retry_policy AS "retryPolicy"
      FROM customer c LEFT JOIN endpoint e ON e.customer_id = c.id AND e.deleted_at IS NULL AND e.kind IN ('registered', 'notification')
     WHERE c.id = ${customerId} AND c.erased_at IS NULL
     ORDER BY e.id`;
  const [first] = rows;
  if (first === undefined) return null;
  const endpoints = rows.flatMap((row) => (row.id === null ? [] : [routeOf(row)]));
  return { endpointsVersion: first.endpointsVersion, endpoints };
}

interface RouteRow extends RoutedEndpoint {
  endpointsVersion: number;
}

interface NoRouteRow {
  endpointsVersion: number;
  id: null;
}

function routeOf({ id, kind, status, eventTypes, retryPolicy }: RouteRow): RoutedEndpoint {
  return { id, kind, status, eventTypes, retryPolicy };
}
