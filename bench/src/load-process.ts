import { randomUUID } from 'node:crypto';
import { Pool } from 'undici';

import { percentiles, type Percentiles } from './percentile.js';

export interface LoadOrder {
  origin: string;
  key: string;
  events: number;
  customers: number;
  connections: number;
  payloadBytes: number;
  /** Events per second in all; null as fast as the answers come. */
  rate: number | null;
}

export interface LoadReport {
  accepted: number;
  refused: Record<string, number>;
  seconds: number;
  latencyMs: Percentiles;
}

// Producers in a process of their own: takes an order from the parent over IPC, posts, and reports.
process.on('message', (order: LoadOrder) => void run(order).then((report) => process.send?.(report)));
process.on('disconnect', () => process.exit());

async function run(order: LoadOrder): Promise<LoadReport> {
  const { origin, key, events, customers, connections, payloadBytes, rate } = order;
  const pool = new Pool(origin, { connections });
  const pad = 'x'.repeat(Math.max(0, payloadBytes - 100));
  const runId = randomUUID();
  const latencies: number[] = [];
  const refused: Record<string, number> = {};
  let next = 0;
  const startedMs = performance.now();

  const producer = async (): Promise<void> => {
    while (next < events) {
      const index = next++;
      if (rate !== null) await until(startedMs + (index / rate) * 1000);
      const sentMs = performance.now();
      const response = await pool.request({
        path: '/v1/events',
        method: 'POST',
        headers: {
          'content-type': 'application/json',
          authorization: `Bearer ${key}`,
          'idempotency-key': `${runId}-${index}`,
        },
        body: JSON.stringify({
          customerId: `bench-${index % customers}`,
          type: 'invoice.paid',
          data: { index, pad },
        }),
      });
      const text = await response.body.text();
      if (response.statusCode === 202) latencies.push(performance.now() - sentMs);
      else
        refused[`${response.statusCode} ${text.slice(0, 200)}`] =
          (refused[`${response.statusCode} ${text.slice(0, 200)}`] ?? 0) + 1;
    }
  };
  await Promise.all(Array.from({ length: connections }, producer));
  const seconds = (performance.now() - startedMs) / 1000;
  await pool.close();
  return { accepted: latencies.length, refused, seconds, latencyMs: percentiles(latencies) };
}

async function until(atMs: number): Promise<void> {
  const waitMs = atMs - performance.now();
  if (waitMs > 0) await new Promise((resolve) => setTimeout(resolve, waitMs));
}
