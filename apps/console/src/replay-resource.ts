import { idPrefixes, type ReplayResource } from '@posthorn/api-contract';
import type { Replay } from '@posthorn/delivery/replay';
import { encodeId } from '@posthorn/domain';

export function replayResource({ matched, done, failed, ...replay }: Replay): ReplayResource {
  return {
    id: encodeId(idPrefixes.replay, replay.id),
    customerId: replay.customerId,
    endpointId: replay.endpointId && encodeId(idPrefixes.endpoint, replay.endpointId),
    status: replay.status,
    type: replay.type,
    since: replay.since?.toISOString() ?? null,
    until: replay.until?.toISOString() ?? null,
    state: replay.state,
    matched,
    done,
    failed,
    remaining: matched - done - failed,
    createdAt: replay.createdAt.toISOString(),
    finishedAt: replay.finishedAt?.toISOString() ?? null,
  };
}
