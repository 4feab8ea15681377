import { randomUUID } from 'node:crypto';
import { Pool } from 'undici';

import { answerParent } from './child-process.js';
import type { LoadOrder, LoadReport } from './load.js';
import { percentiles } from './percentile.js';

answerParent('ready', (order) => run(order as LoadOrder));

async function run(order: LoadOrder): Promise<LoadReport> {
  const { customers, rate, connections = 64, payloadBytes = 1024, batch } = order;
  const events = order.events ?? Infinity;
  const perRequest = batch ?? 1;
  const pool = new Pool(order.origin, { connections });
  const pad = 'x'.repeat(Math.max(0, payloadBytes - 100));
  const runId = randomUUID();
  const latencies: number[] = [];
  const refused: Record<string, number> = {};
  let accepted = 0;
  let next = 0;
  const startedMs = performance.now();
  const endsMs = startedMs + (order.seconds ?? Infinity) * 1000;

  const eventOf = (index: number) => ({
    customerId: `${customers.prefix}${index % customers.count}`,
    type: order.type ?? 'invoice.paid',
    data: { index, pad },
  });
  const note = (status: number, text: string, count: number): void => {
    if (status === 202) {
      accepted += count;
      return;
    }
    const answer = `${status} ${text.slice(0, 200)}`;
    refused[answer] = (refused[answer] ?? 0) + count;
  };
  const post = async (from: number, to: number): Promise<void> => {
    const single = batch === undefined;
    const content = single
      ? eventOf(from)
      : { events: Array.from({ length: to - from }, (_, place) => eventOf(from + place)) };
    const response = await pool.request({
      path: single ? '/v1/events' : '/v1/events/batch',
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        authorization: `Bearer ${order.apiKey}`,
        'idempotency-key': `${runId}-${from}`,
      },
      body: JSON.stringify(content),
    });
    const text = await response.body.text();
    if (single || response.statusCode !== 202) {
      note(response.statusCode, text, to - from);
      return;
    }
    for (const { status, ...rest } of (JSON.parse(text) as { results: { status: number }[] }).results)
      note(status, status === 202 ? '' : JSON.stringify(rest), 1);
  };

  const producer = async (): Promise<void> => {
    while (next < events) {
      const from = next;
      const to = Math.min(events, from + perRequest);
      const dueMs = rate === undefined ? performance.now() : startedMs + (from / rate) * 1000;
      if (Math.max(dueMs, performance.now()) >= endsMs) return;
      next = to;
      const late = dueMs <= performance.now();
      if (!late) await new Promise((resolve) => setTimeout(resolve, dueMs - performance.now()));
      const sinceMs = late ? dueMs : performance.now();
      await post(from, to);
      latencies.push(performance.now() - sinceMs);
    }
  };
  await Promise.all(Array.from({ length: connections }, producer));
  const seconds = (performance.now() - startedMs) / 1000;
  await pool.close();
  return { accepted, refused, seconds, latencyMs: percentiles(latencies) };
}
