import { randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { Pool } from 'undici';

import { answerParent } from './child-process.js';
import type { LoadOrder, LoadReport } from './load.js';
import { percentiles } from './percentile.js';

interface Result {
  status: number;
  detail?: string;
}

const REPEAT_AFTER_MS = 250;

answerParent('ready', (order) => run(order as LoadOrder));

async function run(order: LoadOrder): Promise<LoadReport> {
  const { customers, rate, connections = 64, payloadBytes = 1024, batch, insist } = order;
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
  const note = (status: number, text: string): void => {
    if (status === 202) {
      accepted += 1;
      return;
    }
    const answer = `${status} ${text.slice(0, 200)}`;
    refused[answer] = (refused[answer] ?? 0) + 1;
  };
  const send = async (from: number, to: number): Promise<Result[]> => {
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
    if (!single && response.statusCode === 202) return (JSON.parse(text) as { results: Result[] }).results;
    return Array.from({ length: to - from }, () => ({ status: response.statusCode, detail: text }));
  };
  const post = async (from: number, to: number): Promise<void> => {
    for (;;) {
      const results = await send(from, to);
      if (insist && results.some(({ status }) => status === 503)) {
        await pause(REPEAT_AFTER_MS);
        continue;
      }
      for (const { status, detail = '' } of results) note(status, detail);
      return;
    }
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
