import type { EndpointDisabledReason } from './endpoint.js';
import type { DeadLetterReason } from './delivery.js';
import { encodeId } from './ids.js';
import type { ReplayState } from './replay.js';

/** Gets the operational events. Its endpoints are the operator's, and nobody can send events to it. */
export const operatorCustomerId = 'posthorn';

/** What there is to tell, ids as uuids and times as ISO 8601. All of it is about `customerId`, which is never the operator's. */
export type Notice = { customerId: string } & (
  | {
      type: 'posthorn.delivery.exhausted';
      endpointId: string;
      reason: DeadLetterReason;
      /** How many became dead letters since the last event of this kind. */
      deliveries: number;
      /** The first ten of them. */
      deliveryIds: string[];
      lastAt: string;
    }
  | {
      type: 'posthorn.endpoint.failing';
      endpointId: string;
      failingSince: string;
      lastAttemptAt: string;
      /** When it is disabled if nothing changes; null where that never happens. */
      disabledAt: string | null;
    }
  | {
      type: 'posthorn.endpoint.disabled';
      endpointId: string;
      reason: EndpointDisabledReason;
    }
  | {
      type: 'posthorn.endpoint.recovered';
      endpointId: string;
      because: 'delivered' | 'enabled';
    }
  | {
      type: 'posthorn.replay.finished';
      replayId: string;
      state: Extract<ReplayState, 'completed' | 'cancelled'>;
      matched: number;
      done: number;
      failed: number;
    }
);

export type OperationalEventType = Notice['type'];

/** As Postgres writes them. */
const times = new Set(['lastAt', 'failingSince', 'lastAttemptAt', 'disabledAt']);

/** The `data` of the event, with TypeIDs, and times in UTC. */
export function operationalEventData(notice: Notice): Record<string, unknown> {
  const { type: _, ...facts } = notice;
  const entries = Object.entries(facts).map(([name, value]) => [
    name,
    times.has(name) && typeof value === 'string' ? new Date(value).toISOString() : value,
  ]);
  return {
    ...(Object.fromEntries(entries) as Record<string, unknown>),
    ...('endpointId' in notice && { endpointId: encodeId('ep', notice.endpointId) }),
    ...('deliveryIds' in notice && { deliveryIds: notice.deliveryIds.map((id) => encodeId('dlv', id)) }),
    ...('replayId' in notice && { replayId: encodeId('rpl', notice.replayId) }),
  };
}
