import { type EndpointResource, idPrefixes, maskedHeaderValue } from '@posthorn/api-contract';
import type { Endpoint } from '@posthorn/database';
import { encodeId } from '@posthorn/domain';

/** Never with a secret or a header's value. */
export function endpointResource(endpoint: Endpoint): EndpointResource {
  return {
    id: encodeId(idPrefixes.endpoint, endpoint.id),
    customerId: endpoint.customerId,
    url: endpoint.url,
    eventTypes: endpoint.eventTypes,
    description: endpoint.description,
    headers: Object.fromEntries(endpoint.headerNames.map((name) => [name, maskedHeaderValue])),
    signing: endpoint.signing,
    retryPolicy: endpoint.retryPolicy,
    maxInFlight: endpoint.maxInFlight,
    rateLimit: endpoint.rateLimit,
    status: endpoint.status,
    disabledReason: endpoint.disabledReason,
    breaker: {
      state: endpoint.breaker.state,
      openUntil: endpoint.breaker.openUntil?.toISOString() ?? null,
    },
    healthScore: endpoint.healthScore,
    failingSince: endpoint.failingSince?.toISOString() ?? null,
    secrets: endpoint.secrets.map(({ createdAt, expiresAt }) => ({
      createdAt: createdAt.toISOString(),
      expiresAt: expiresAt?.toISOString() ?? null,
    })),
    createdAt: endpoint.createdAt.toISOString(),
    updatedAt: endpoint.updatedAt.toISOString(),
  };
}
