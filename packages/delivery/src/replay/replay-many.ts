import { encodeId } from '@posthorn/domain';
import type { DatabasePool } from '@posthorn/database';
import type { Logger } from '@posthorn/runtime';

import { deliveryLifetimeMs } from '../accept/delivery-lifetime.js';
import { enqueueReopened, type JobQueue } from '../enqueue/enqueue-deliveries.js';
import { findReplaysUnderway } from './find-replays-underway.sql.js';
import { openReplayPage } from './open-replay-page.sql.js';
import { reviewReplay } from './review-replay.sql.js';

const ENDPOINTS_PER_PASS = 100;

export interface ReplayRunnerDeps {
  pool: DatabasePool;
  queue: JobQueue;
  logger: Logger;
  /** No delivery is tried or held longer than this after its event. */
  holdLimitMs: number;
  /** At each endpoint a replay has at most this many unfinished deliveries. Default 50. */
  unfinishedMax?: number;
}

export interface ReplayRunner {
  /**
   * One pass over the replays that are underway: counts what has ended, opens what has room, completes what is done.
   * Ends early when the signal aborts. Several processes may run it at once.
   */
  run(signal: AbortSignal): Promise<void>;
}

/**
 * Runs bulk replays, see docs/adr/0012-bulk-replay.md. What a replay is about to do stands in Postgres alone, so it goes
 * on wherever a worker is. Each endpoint has a place of its own in it: one that hangs, or is paused, keeps only itself
 * waiting.
 */
export function createReplayRunner(deps: ReplayRunnerDeps): ReplayRunner {
  const { pool, queue, logger, holdLimitMs, unfinishedMax = 50 } = deps;

  return {
    async run(signal) {
      const failures: unknown[] = [];
      for (const id of await findReplaysUnderway(pool)) {
        if (signal.aborted) break;
        // One that fails keeps no other from going on.
        await advance(id, signal).catch((error: unknown) => failures.push(error));
      }
      if (failures.length > 0) throw failures[0];
    },
  };

  async function advance(replayId: string, signal: AbortSignal): Promise<void> {
    const review = await reviewReplay(pool, replayId, { unfinishedMax, endpointsMax: ENDPOINTS_PER_PASS });
    switch (review.kind) {
      case 'none':
        return;
      case 'completed': {
        const { customerId, matched, done, failed } = review;
        logger.info('replay.completed', {
          replay_id: encodeId('rpl', replayId),
          customer_id: customerId,
          matched,
          done,
          failed,
        });
        return;
      }
      case 'room':
        for (const endpointId of review.endpointIds) {
          if (signal.aborted) return;
          const options = { deliveryLifetimeMs, holdLimitMs, unfinishedMax };
          await enqueueReopened({ queue, logger }, await openReplayPage(pool, replayId, endpointId, options));
        }
    }
  }
}
