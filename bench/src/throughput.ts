import { mkdir, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';

import type { LoadOrder, LoadReport } from './load-process.js';
import { readProcessUsage, readTreeCpuMs } from './process-usage.js';
import type { ReceiverReport } from './receiver-process.js';
import { ask, startSystem, type System } from './start-system.js';

// How many events a second are accepted, delivered and recorded, and what each costs, on this machine with everything
// on it: ingest, worker, console, Postgres (fsync on), Redis, receiver and load.

const { values } = parseArgs({
  options: {
    events: { type: 'string', default: '30000' },
    warmup: { type: 'string', default: '5000' },
    customers: { type: 'string', default: '100' },
    connections: { type: 'string', default: '64' },
    payload: { type: 'string', default: '1024' },
    rate: { type: 'string' },
    partitions: { type: 'string', default: '35' },
  },
});
const order = {
  events: Number(values.events),
  customers: Number(values.customers),
  connections: Number(values.connections),
  payloadBytes: Number(values.payload),
  rate: values.rate === undefined ? null : Number(values.rate),
};

const system = await startSystem({ partitionDays: Number(values.partitions) });
try {
  await addCustomers(system, order.customers);
  await measure(system, { ...order, events: Number(values.warmup), rate: null });
  const result = await measure(system, order);
  print(result);
  const folder = path.resolve(import.meta.dirname, '../results');
  await mkdir(folder, { recursive: true });
  const file = path.join(folder, `throughput-${new Date().toISOString().replaceAll(':', '')}.json`);
  await writeFile(
    file,
    `${JSON.stringify({ machine: machine(), order, partitions: Number(values.partitions), result }, null, 2)}\n`,
  );
  process.stdout.write(`\n${path.relative(process.cwd(), file)}\n`);
} finally {
  await system.stop();
}

type Measured = Awaited<ReturnType<typeof measure>>;

async function measure(system: System, load: Omit<LoadOrder, 'origin' | 'key'>) {
  await ask<ReceiverReport>(system.receiver, 'report');
  const before = usage(system);
  const startedMs = Date.now();
  const accepted = await ask<LoadReport>(system.load, {
    ...load,
    origin: system.ingest.origin,
    key: system.adminKey,
  });
  await untilRecorded(system);
  const recordedMs = Date.now();
  const after = usage(system);
  const received = await ask<ReceiverReport>(system.receiver, 'report');

  const perEvent = (name: keyof typeof before.cpuMs) =>
    Math.round(((after.cpuMs[name] - before.cpuMs[name]) * 1000) / accepted.accepted);
  return {
    accepted: accepted.accepted,
    refused: accepted.refused,
    acceptedPerSecond: Math.round(accepted.accepted / accepted.seconds),
    deliveredPerSecond: Math.round((received.received * 1000) / (recordedMs - startedMs)),
    received: received.received,
    acceptMs: accepted.latencyMs,
    acceptedToArrivalMs: received.latencyMs,
    cpuMicrosPerEvent: {
      ingest: perEvent('ingest'),
      worker: perEvent('worker'),
      postgres: perEvent('postgres'),
      redis: perEvent('redis'),
      receiver: perEvent('receiver'),
      load: perEvent('load'),
    },
    rssPeakMb: after.rssPeakMb,
  };
}

function usage({ ingest, worker, receiver, load, postgresPid, redisPid }: System) {
  const own = (pid: number | undefined) => (pid === undefined ? 0 : readProcessUsage(pid).cpuMs);
  const rss = (pid: number) => Math.round(readProcessUsage(pid).rssPeakBytes / 1e6);
  return {
    cpuMs: {
      ingest: own(ingest.pid),
      worker: own(worker.pid),
      postgres: postgresPid === undefined ? 0 : readTreeCpuMs(postgresPid),
      redis: own(redisPid),
      receiver: own(receiver.pid),
      load: own(load.pid),
    },
    rssPeakMb: { ingest: rss(ingest.pid), worker: rss(worker.pid) },
  };
}

async function untilRecorded({ pool }: System): Promise<void> {
  const deadlineMs = Date.now() + 180_000;
  for (;;) {
    const { rows } = await pool.query<{ open: boolean }>(
      "SELECT EXISTS (SELECT FROM delivery WHERE status = 'pending') AS open",
    );
    if (!rows[0]?.open) return;
    if (Date.now() > deadlineMs) throw new Error('Deliveries are still pending after three minutes');
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

async function addCustomers(
  { console: { origin }, adminKey, receiverUrl }: System,
  count: number,
): Promise<void> {
  for (let index = 0; index < count; index += 1) {
    await call(`${origin}/v1/customers/bench-${index}`, 'PUT', adminKey, {});
    await call(`${origin}/v1/customers/bench-${index}/endpoints`, 'POST', adminKey, {
      url: receiverUrl,
      eventTypes: ['*'],
    });
  }
}

async function call(url: string, method: string, key: string, body: object): Promise<void> {
  const response = await fetch(url, {
    method,
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  if (!response.ok) throw new Error(`${method} ${url}: ${response.status} ${await response.text()}`);
}

function print(result: Measured): void {
  const { cpuMicrosPerEvent: cpu } = result;
  const latency = ({ p50, p95, p99, max }: Measured['acceptMs']) =>
    `p50 ${p50}  p95 ${p95}  p99 ${p99}  max ${max}`;
  const rows: [string, string | number][] = [
    ['events accepted', result.accepted],
    ['refused', JSON.stringify(result.refused)],
    ['accepted/s', result.acceptedPerSecond],
    ['delivered and recorded/s', result.deliveredPerSecond],
    ['accept ms', latency(result.acceptMs)],
    ['accepted → arrived ms', latency(result.acceptedToArrivalMs)],
    ['CPU µs/event ingest', cpu.ingest],
    ['CPU µs/event worker', cpu.worker],
    ['CPU µs/event ingest + worker', cpu.ingest + cpu.worker],
    ['CPU µs/event Postgres', cpu.postgres],
    ['CPU µs/event Redis', cpu.redis],
    ['CPU µs/event receiver, load', `${cpu.receiver}, ${cpu.load}`],
    ['peak RSS MB ingest, worker', `${result.rssPeakMb.ingest}, ${result.rssPeakMb.worker}`],
  ];
  process.stdout.write(
    `\n${machine()}\n${order.customers} customers, ${order.connections} connections, ${order.payloadBytes} bytes, ${values.partitions} daily partitions, an idempotency key each\n\n`,
  );
  for (const [name, value] of rows) process.stdout.write(`${name.padEnd(30)}${value}\n`);
}

function machine(): string {
  const [cpu] = os.cpus();
  return `${os.cpus().length} × ${cpu?.model ?? 'unknown CPU'}, ${Math.round(os.totalmem() / 2 ** 30)} GiB, Node ${process.versions.node}`;
}
