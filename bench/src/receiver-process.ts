import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

import { percentiles, type Percentiles } from './percentile.js';

export interface ReceiverReport {
  received: number;
  /** From the event's timestamp to its arrival here. */
  latencyMs: Percentiles;
  firstAtMs: number;
  lastAtMs: number;
}

// A customer's endpoint in a process of its own: reads the body, answers 200. Talks to its parent over IPC:
// it says its port, and answers 'report' with what came since the last report.
let latencies: number[] = [];
let firstAtMs = 0;
let lastAtMs = 0;

const server = createServer((request, response) => {
  let body = '';
  request.setEncoding('utf8');
  request.on('data', (chunk: string) => (body += chunk));
  request.on('end', () => {
    lastAtMs = Date.now();
    firstAtMs ||= lastAtMs;
    const timestamp = /"timestamp":"([^"]+)"/.exec(body)?.[1];
    if (timestamp) latencies.push(lastAtMs - Date.parse(timestamp));
    response.end('ok');
  });
});

process.on('message', (message) => {
  if (message === 'count') process.send?.({ received: latencies.length });
  if (message !== 'report') return;
  const report: ReceiverReport = {
    received: latencies.length,
    latencyMs: percentiles(latencies),
    firstAtMs,
    lastAtMs,
  };
  process.send?.(report);
  latencies = [];
  firstAtMs = 0;
});
process.on('disconnect', () => process.exit());

server.keepAliveTimeout = 60_000;
server.listen(0, '127.0.0.1', () => process.send?.({ port: (server.address() as AddressInfo).port }));
