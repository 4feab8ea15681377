import type { DatabasePool } from '@posthorn/database';
import { createGroupCommit, type Logger } from '@posthorn/runtime';
import { setTimeout as sleep } from 'node:timers/promises';

import { loadEndpointHealth, saveEndpointHealth, type StoredEndpointHealth } from './endpoint-health.sql.js';

const SCORE_EVERY_MS = 5_000;
const RETRY_MS = 1_000;
const BATCH_MAX = 500;
/** A process that stops does not wait for a Postgres that is away. */
const CLOSE_MAX_MS = 500;

export interface EndpointHealthStore {
  /** What was kept of an endpoint, read anew; reads that come together share one statement. */
  load(endpointId: string): Promise<StoredEndpointHealth | null>;
  /** A transition is written at once, a changed score within 5 s; only the newest of an endpoint is. */
  note(kept: StoredEndpointHealth, transition: boolean): void;
  /** Writes what is still to be written, if Postgres takes it. */
  close(): Promise<void>;
}

/** Carries the endpoints' health over to whoever owns them next. Losing a write costs a few attempts, never a delivery. */
export function createEndpointHealthStore({
  pool,
  logger,
}: {
  pool: DatabasePool;
  logger: Logger;
}): EndpointHealthStore {
  const unsaved = new Map<string, StoredEndpointHealth>();
  let timer: NodeJS.Timeout | undefined;
  let timerAtMs = Infinity;
  let saving: Promise<void> = Promise.resolve();
  let failing = false;

  const load = createGroupCommit<string, StoredEndpointHealth | null>({
    commit: async (ids) => {
      const found = await loadEndpointHealth(pool, [...new Set(ids)]);
      return ids.map((id) => unsaved.get(id) ?? found.get(id) ?? null);
    },
    isRetryableRowByRow: () => false,
  });

  function saveIn(ms: number): void {
    const atMs = Date.now() + ms;
    if (unsaved.size === 0 || atMs >= timerAtMs) return;
    clearTimeout(timer);
    timerAtMs = atMs;
    timer = setTimeout(() => {
      timerAtMs = Infinity;
      saving = saving.then(save);
    }, ms);
  }

  async function save(): Promise<void> {
    const batch = [...unsaved.values()].slice(0, BATCH_MAX);
    if (batch.length === 0) return;
    try {
      await saveEndpointHealth(pool, batch);
      for (const kept of batch) if (unsaved.get(kept.endpointId) === kept) unsaved.delete(kept.endpointId);
      if (failing) logger.info('endpoint.health_stored');
      failing = false;
      saveIn(0);
    } catch (error) {
      if (!failing) logger.warn('endpoint.health_not_stored', { error });
      failing = true;
      saveIn(RETRY_MS);
    }
  }

  return {
    load: (endpointId) => load(endpointId),
    note(kept, transition) {
      unsaved.set(kept.endpointId, kept);
      saveIn(transition ? 0 : SCORE_EVERY_MS);
    },
    async close() {
      clearTimeout(timer);
      timerAtMs = -Infinity;
      await Promise.race([saving.then(save), sleep(CLOSE_MAX_MS, undefined, { ref: false })]);
    },
  };
}
