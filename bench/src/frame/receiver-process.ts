import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

import { answerParent } from './child-process.js';
import { percentiles } from './percentile.js';
import type { Arrival, Behaviour, ReceiverCommand, ReceiverReport } from './receiver.js';

interface Group {
  behaviour: Behaviour;
  arrivals: Arrival[];
}

const groups = new Map<string, Group>();
const held = new Set<ServerResponse>();
const failedOnce = new Set<string>();

const server = createServer((request, response) => {
  const group = groupOf((request.url ?? '').split('/')[1] ?? '');
  let body = '';
  request.setEncoding('utf8');
  request.on('data', (chunk: string) => (body += chunk));
  request.on('end', () => {
    const atMs = Date.now();
    const timestamp = /"timestamp":"([^"]+)"/.exec(body)?.[1];
    if (timestamp) group.arrivals.push({ atMs, latencyMs: atMs - Date.parse(timestamp) });
    answer(response, group.behaviour, String(request.headers['webhook-id']));
  });
});

function answer(response: ServerResponse, behaviour: Behaviour, webhookId: string): void {
  if (behaviour.kind === 'hang') {
    held.add(response);
    response.once('close', () => held.delete(response));
    return;
  }
  if (behaviour.kind === 'fails_first') {
    response.statusCode = failsNow(webhookId, behaviour.oneIn) ? 503 : 200;
    response.end('ok');
    return;
  }
  if (behaviour.kind === 'flaky') {
    setTimeout(() => answerFlaky(response, behaviour), behaviour.afterMs);
    return;
  }
  response.statusCode = behaviour.status;
  if (behaviour.afterMs > 0) setTimeout(() => response.end('ok'), behaviour.afterMs);
  else response.end('ok');
}

function answerFlaky(response: ServerResponse, { share, as }: Extract<Behaviour, { kind: 'flaky' }>): void {
  const fails = Math.random() < share;
  if (fails && as === 'reset') response.socket?.resetAndDestroy();
  else if (fails && as === 'timeout') answer(response, { kind: 'hang' }, '');
  else {
    response.statusCode = fails ? 500 : 200;
    response.end('ok');
  }
}

/** By chance: counting would meet producers that go round, and always fail the same customers, whose breakers then open. */
function failsNow(webhookId: string, oneIn: number): boolean {
  if (failedOnce.delete(webhookId) || Math.random() * oneIn >= 1) return false;
  failedOnce.add(webhookId);
  return true;
}

function groupOf(name: string): Group {
  let group = groups.get(name);
  if (!group)
    groups.set(name, (group = { behaviour: { kind: 'answer', status: 200, afterMs: 0 }, arrivals: [] }));
  return group;
}

function run(order: ReceiverCommand): unknown {
  switch (order.command) {
    case 'behave':
      groupOf(order.group).behaviour = order.behaviour;
      return null;
    case 'report': {
      const group = groupOf(order.group);
      const report = reportOn(group);
      group.arrivals = [];
      return report;
    }
    case 'take':
      return groupOf(order.group).arrivals.splice(0);
    case 'count':
      return groupOf(order.group).arrivals.length;
    case 'held':
      return held.size;
    case 'release': {
      const count = held.size;
      for (const response of held) response.end('ok');
      return count;
    }
  }
}

function reportOn({ arrivals }: Group): ReceiverReport {
  const bySecond = new Map<number, number[]>();
  for (const { atMs, latencyMs } of arrivals) {
    const second = Math.floor(atMs / 1000);
    const some = bySecond.get(second);
    if (some) some.push(latencyMs);
    else bySecond.set(second, [latencyMs]);
  }
  return {
    received: arrivals.length,
    latencyMs: percentiles(arrivals.map(({ latencyMs }) => latencyMs)),
    series: [...bySecond].map(([second, latencies]) => {
      const { p50, p99 } = percentiles(latencies);
      return { second, received: latencies.length, p50, p99 };
    }),
  };
}

server.keepAliveTimeout = 60_000;
// Thousands of connections are opened at once.
server.listen({ port: 0, host: '127.0.0.1', backlog: 4096 }, () => {
  answerParent({ port: (server.address() as AddressInfo).port }, (order) => run(order as ReceiverCommand));
});
