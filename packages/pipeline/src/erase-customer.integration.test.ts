import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';

import { eraseCustomer } from './erase-customer.js';
import { openPipeline, type OpenPipeline } from './test-support/open-pipeline.js';

let pipeline: OpenPipeline;

beforeAll(async () => {
  pipeline = await openPipeline();
});
afterAll(() => pipeline.close());

describe('erasing a customer', () => {
  it('removes everything of it, says how much, and touches nobody else', async () => {
    for (const customerId of ['leaving', 'staying']) {
      await pipeline.addCustomer(customerId);
      const { id } = await pipeline.addEndpoint(customerId, { url: 'http://127.0.0.1:9/' });
      const eventIds = await Promise.all(
        Array.from({ length: 1_200 }, (_, index) =>
          pipeline.accept({ customerId, idempotencyKey: `k${index}` }),
        ),
      );
      await pipeline.handle(pipeline.jobOf(eventIds[0]!, id), new AbortController().signal);
    }
    const receipt = await eraseCustomer(pipeline.database.pool, 'leaving');
    expect(receipt).toMatchObject({
      events: 1_200,
      deliveries: 1_200,
      attempts: 1,
      idempotencyKeys: 1_200,
      endpoints: 1,
    });

    for (const table of ['event', 'delivery', 'idempotency_key', 'endpoint', 'api_key']) {
      const { rows } = await pipeline.database.pool.query<{ customer_id: string; n: number }>(
        `SELECT customer_id, count(*)::int AS n FROM ${table} GROUP BY 1`,
      );
      expect(rows.map(({ customer_id }) => customer_id)).not.toContain('leaving');
    }
    const { rows } = await pipeline.database.pool.query(
      `SELECT (SELECT count(*)::int FROM event) AS events, (SELECT count(*)::int FROM delivery) AS deliveries,
              (SELECT count(*)::int FROM attempt) AS attempts, (SELECT count(*)::int FROM endpoint_secret) AS secrets`,
    );
    expect(rows).toEqual([{ events: 1_200, deliveries: 1_200, attempts: 1, secrets: 1 }]);
    expect(await eraseCustomer(pipeline.database.pool, 'leaving')).toBeNull();
  });

  it('never removes a customer that was made again under the same id, however many erasures were asked for', async () => {
    for (let round = 0; round < 15; round += 1) {
      await pipeline.addCustomer('again');
      await pipeline.addEndpoint('again', { url: 'http://127.0.0.1:9/' });
      const erasures = Array.from({ length: 4 }, () => eraseCustomer(pipeline.database.pool, 'again'));
      const first = await Promise.any(
        erasures.map(async (erasure) => (await erasure) ?? Promise.reject(new Error('not this one'))),
      );
      expect(first.endpoints).toBe(1);
      await pipeline.addCustomer('again');
      await Promise.all(erasures);
      expect(await pipeline.accept({ customerId: 'again' })).toBeTruthy();
      await eraseCustomer(pipeline.database.pool, 'again');
    }
  });

  it('accepts nothing more from the moment it begins', async () => {
    await pipeline.addCustomer('marked');
    await pipeline.accept({ customerId: 'marked' });
    await pipeline.database.pool.query("UPDATE customer SET erased_at = now() WHERE id = 'marked'");
    await expect(pipeline.accept({ customerId: 'marked' })).rejects.toThrow('unknown_customer');
  });
});
