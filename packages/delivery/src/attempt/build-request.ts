import { encodeId, reservedHeaderProblem, signRequest } from '@posthorn/domain';

import type { ReadyTarget } from './endpoint-cache.js';
import type { LoadedDelivery } from './load-deliveries.sql.js';

export interface DeliveryRequest {
  headers: Record<string, string>;
  /** The same headers as the history keeps them: custom values may be credentials, so they are masked. */
  recordedHeaders: Record<string, string>;
}

const MASK = '***';

/** The headers of one attempt: the customer's own, then ours, with a timestamp and signature made now. */
export function buildRequest(delivery: LoadedDelivery, target: ReadyTarget, nowMs: number): DeliveryRequest {
  const own = {
    'content-type': 'application/json',
    ...signRequest(target.signing, {
      // Of a one-shot its sender knows the delivery: there is one, and its id is what the request was answered with.
      id: target.oneShots ? encodeId('dlv', delivery.deliveryId) : encodeId('evt', delivery.eventId),
      timestampSeconds: Math.floor(nowMs / 1000),
      body: delivery.body,
      secrets: liveSecrets(target, nowMs),
    }),
  };
  // Refused when they are set; some may have been set before their name was reserved.
  const custom = Object.entries(target.headers).filter(([name]) => reservedHeaderProblem(name) === null);
  if (custom.length === 0) return { headers: own, recordedHeaders: own };
  return {
    headers: { ...Object.fromEntries(custom), ...own },
    recordedHeaders: { ...Object.fromEntries(custom.map(([name]) => [name, MASK])), ...own },
  };
}

function liveSecrets({ secrets }: ReadyTarget, nowMs: number): string[] {
  return secrets
    .filter(({ expiresAt }) => expiresAt === null || expiresAt.getTime() > nowMs)
    .map(({ value }) => value);
}
