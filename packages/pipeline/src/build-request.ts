import type { LoadedDelivery } from '@posthorn/database';
import { encodeId, signStandard } from '@posthorn/domain';

import type { ReadyTarget } from './endpoint-cache.js';

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
    ...signStandard({
      id: encodeId('evt', delivery.eventId),
      timestampSeconds: Math.floor(nowMs / 1000),
      body: delivery.body,
      secrets: liveSecrets(target, nowMs),
    }),
  };
  const names = Object.keys(target.headers);
  if (names.length === 0) return { headers: own, recordedHeaders: own };
  return {
    headers: { ...target.headers, ...own },
    recordedHeaders: { ...Object.fromEntries(names.map((name) => [name, MASK])), ...own },
  };
}

function liveSecrets({ secrets }: ReadyTarget, nowMs: number): string[] {
  return secrets
    .filter(({ expiresAt }) => expiresAt === null || expiresAt.getTime() > nowMs)
    .map(({ value }) => value);
}
