import { describe, expect, it } from '@jest/globals';
import { openDatabase } from '@posthorn/database';
import type { RecordedOutcome } from '@posthorn/domain';
import { findFreePort } from '@posthorn/testing';

import { createDeliverySettler, type AttemptToRecord } from './settle-delivery.js';

const outcome: RecordedOutcome = {
  status: 'delivered',
  responseCode: 200,
  responseHeaders: {},
  responseBody: null,
  responseTruncated: false,
  error: null,
  address: '127.0.0.1',
  resent: false,
  latencyMs: 1,
  startedAt: new Date(),
};

const attempt: AttemptToRecord = {
  delivery: {
    deliveryId: '019a0000-0000-7000-8000-000000000001',
    eventId: '019a0000-0000-7000-8000-000000000002',
    endpointId: '019a0000-0000-7000-8000-000000000003',
    customerId: 'acme',
    status: 'pending',
    generation: 1,
    attempts: 0,
    attemptsBefore: 0,
    replayedAfter: null,
    nextAttemptAtMs: 0,
    expiresAtMs: Infinity,
    test: false,
    body: '{}',
  },
  trigger: 'automatic',
  outcome,
  recordedHeaders: {},
  step: { kind: 'delivered' },
};

describe('settling while Postgres is away', () => {
  it('keeps each answer until its lock is lost and no longer, and says once that it waits', async () => {
    const said: string[] = [];
    const say = (line: string): void => void said.push(line);
    const logger = { debug: say, info: say, warn: say, error: say };
    const url = `postgresql://nobody@127.0.0.1:${await findFreePort()}/none`;
    const database = openDatabase({ url, poolMax: 2, logger });
    const settler = createDeliverySettler({
      ...database,
      logger,
      holdLimitMs: 1,
    });
    const lock = new AbortController();
    const settling = Promise.all(Array.from({ length: 500 }, () => settler.settle(attempt, lock.signal)));
    // Every one of them is tried again and again: this is how long the outage lasts.
    setTimeout(() => lock.abort(), 1_000);
    expect(await settling).toEqual(Array.from({ length: 500 }, () => ({ kind: 'given_up' })));
    await settler.idle();
    expect(said).toEqual(['delivery.settle_failed']);
    await database.close();
  });
});
