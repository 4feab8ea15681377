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

/**
 * One statement, hence one snapshot: a version read apart from the endpoints could vouch for older ones. The endpoints come
 * as one text: ten thousand rows would hold up the process for over a tenth of a second.
 */
export async function readRoutes(prisma: PrismaClient, customerId: string): Promise<CustomerRoutes | null> {
  const rows = await prisma.$queryRaw<{ endpointsVersion: number; endpoints: string }[]>`
    SELECT endpoints_version AS "endpointsVersion",
           (SELECT COALESCE(json_agg(json_build_array(id, kind, status, event_types, retry_policy) ORDER BY id), '[]')::text
              FROM endpoint
             WHERE customer_id = customer.id AND deleted_at IS NULL AND kind IN ('registered', 'notification')) AS endpoints
      FROM customer WHERE id = ${customerId} AND erased_at IS NULL`;
  const [row] = rows;
  if (row === undefined) return null;
  const endpoints = JSON.parse(row.endpoints) as RouteTuple[];
  return { endpointsVersion: row.endpointsVersion, endpoints: endpoints.map(routeOf) };
}

type RouteTuple = [
  id: string,
  kind: Audience,
  status: EndpointStatus,
  eventTypes: string[],
  retryPolicy: RetryPolicyInput | null,
];

function routeOf([id, kind, status, eventTypes, retryPolicy]: RouteTuple): RoutedEndpoint {
  return { id, kind, status, eventTypes, retryPolicy };
}
