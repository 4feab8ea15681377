import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { RetryPolicyInput } from '@posthorn/domain';
import { createLogger } from '@posthorn/runtime';

import { holdLimitMs } from '../hold/hold-limit.js';
import { pauseEndpoint } from '../hold/pause-endpoint.js';
import { resumeEndpoint } from '../hold/resume-endpoint.js';
import { replayDelivery, type ReplayDeps } from '../replay/replay-delivery.js';
import { openPipeline, type OpenPipeline } from '../test-support/open-pipeline.js';

const HOUR_MS = 3_600_000;
let pipeline: OpenPipeline;
let deps: ReplayDeps;

beforeAll(async () => {
  pipeline = await openPipeline();
  await pipeline.addCustomer('acme');
  const { pool } = pipeline.database;
  const logger = createLogger({ level: 'silent', role: 'test' });
  deps = { pool, queue: { enqueue: () => Promise.resolve() }, logger, holdLimitMs: holdLimitMs(30) };
});
afterAll(() => pipeline.close());

const policies: [string, RetryPolicyInput, number][] = [
  [
    'four attempts over 6 s: an hour more',
    { delaysSeconds: [1, 2, 3], maxAttempts: 4, jitter: 0 },
    HOUR_MS + 6_000,
  ],
  ['what it says', { delaysSeconds: [1, 2, 3], maxAttempts: 4, jitter: 0, parkedMaxSeconds: 30 }, 36_000],
  ['once more its span', { delaysSeconds: [7200], maxAttempts: 3, jitter: 0 }, 8 * HOUR_MS],
];

describe('a delivery expires after its policy’s span and what it may be parked', () => {
  it.each(policies)('accepted, released and replayed alike: %s', async (_, retryPolicy, ms) => {
    const { id } = await pipeline.addEndpoint('acme', { url: 'http://127.0.0.1:9/', retryPolicy });
    const type = `only.${id}`;
    await pipeline.endpointStore.patch(id, (current) => ({ ...current, eventTypes: [type] }));
    const eventId = await pipeline.accept({ customerId: 'acme', type });
    const query = (text: string) => deps.pool.query(text, [eventId]);
    const expectTime = async () => {
      const { rows } = await query(
        `SELECT id, extract(epoch FROM expires_at - now())::float * 1000 AS "leftMs" FROM delivery WHERE event_id = $1`,
      );
      const [{ id: deliveryId, leftMs }] = rows as [{ id: string; leftMs: number }];
      expect(leftMs).toBeLessThanOrEqual(ms);
      expect(leftMs).toBeGreaterThan(ms - 20_000);
      return deliveryId;
    };
    await expectTime();
    await pauseEndpoint(deps, id);
    await resumeEndpoint(deps, id, { from: 'paused', held: 'release' });
    const deliveryId = await expectTime();
    await query(
      `UPDATE delivery SET status = 'dead_lettered', reason = 'expired', next_attempt_at = NULL, waiting_for = NULL,
              finished_at = now(), expires_at = now() - interval '1 hour' WHERE event_id = $1`,
    );
    expect(await replayDelivery(deps, deliveryId)).toBe('opened');
    await expectTime();
  });
});
