import { deployMigrations, ensurePartitions } from '@posthorn/database';
import { randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import pg from 'pg';

import { audit, countUnfinished, type Audit } from './audit.js';
import { startFaults, type FaultRecord } from './faults.js';
import { createOperatorClient } from './operator-client.js';
import { startOperator, type KnownEndpoint, type OperatorReport } from './operator.js';
import { startProducer, type ProducerReport } from './producer.js';
import { readFinalLedger, type FinalLedger } from './read-ledger.js';
import { receiverBehaviours, startReceivers, type Receivers } from './receivers.js';
import { startRole, type RoleProcess } from './role-process.js';
import { createSeededRandom } from './seeded-random.js';
import { startPostgresService, startRedisService } from './services.js';

const ROOT = path.resolve(import.meta.dirname, '../../..');
const ANSWERED_WITHIN_MS = 60_000;
const jobLockMs = 3_000;
const retryPolicy = { delaysSeconds: [0.5, 1, 2], maxAttempts: 20 };

export interface ChaosOptions {
  minutes: number;
  seed: number;
  eventsPerSecond: number;
  customers: number;
  faultEveryMs: number;
  /** From the end of the load to the last delivery's end. */
  endsWithinMs: number;
  say(line: string): void;
}

export interface ChaosReport extends Audit {
  seconds: number;
  faults: readonly FaultRecord[];
  producer: Omit<ProducerReport, 'accepted'> & { withoutAnswer: number };
  operator: Omit<OperatorReport, 'acts' | 'replayed'> & { replayed: number };
  /** `GET /v1/ledger` when everything had ended. */
  apiLedger: FinalLedger;
  /** Deliveries that had not ended at the deadline. */
  unfinished: number;
  /** Processes that ended though nobody had killed them. */
  ownEnds: Record<string, { whileStarting: number; whileRunning: number }>;
  /** Exit codes of the last stop. */
  exitCodes: Record<string, number | null>;
  /** What is wrong; empty for a run in which both promises were kept. */
  failures: string[];
  folder: string;
}

/** One run: everything started, load and faults for the given time, then quiet until nothing is pending. */
export async function runChaos(options: ChaosOptions): Promise<ChaosReport> {
  const { say } = options;
  const folder = await mkdtemp(path.join(os.tmpdir(), 'posthorn-chaos-'));
  const stops: (() => Promise<unknown>)[] = [];
  try {
    const postgres = await startPostgresService(path.join(folder, 'postgres'));
    stops.push(() => postgres.stop());
    const redis = await startRedisService(path.join(folder, 'redis'));
    stops.push(() => redis.stop());
    await deployMigrations(postgres.url, path.join(ROOT, 'prisma/migrations'));
    const pool = new pg.Pool({ connectionString: postgres.url, max: 2 });
    pool.on('error', () => undefined);
    stops.push(() => pool.end());
    await ensurePartitions(pool, { nowMs: Date.now() });

    const apiKey = `phk_${randomBytes(24).toString('base64url')}`;
    const logs = path.join(folder, 'logs');
    await mkdir(logs);
    const env = environment(postgres.url, redis.url, apiKey);
    const roles: RoleProcess[] = [];
    stops.push(() => Promise.all(roles.map((role) => role.stop())));
    const start = async (name: string, role: string): Promise<RoleProcess> => {
      const started = await startRole(name, role, env, logs);
      roles.push(started);
      await started.untilUp();
      return started;
    };
    const consoleRole = await start('console', 'console');
    const ingests = await Promise.all([start('ingest-1', 'ingest'), start('ingest-2', 'ingest')]);
    const workers = await Promise.all([start('worker-1', 'worker'), start('worker-2', 'worker')]);
    const receivers = await startReceivers();
    stops.push(() => receivers.stop());
    const { customerIds, endpoints } = await addCustomers(
      consoleRole.origin,
      apiKey,
      receivers,
      options.customers,
    );
    await redis.keepCopy();

    say(
      `${options.minutes} min of faults, seed ${options.seed}, ${options.eventsPerSecond} events/s; logs in ${logs}`,
    );
    const startedMs = Date.now();
    const origins = ingests.map(({ origin }) => origin);
    const producer = startProducer({ origins, apiKey, customerIds, perSecond: options.eventsPerSecond });
    const targets = { ingests, workers, console: consoleRole, postgres, redis, jobLockMs };
    const faults = startFaults(targets, createSeededRandom(options.seed), options.faultEveryMs);
    const operator = startOperator({
      origin: consoleRole.origin,
      apiKey,
      endpoints,
      random: createSeededRandom(options.seed + 1),
    });
    const untilMs = startedMs + options.minutes * 60_000;
    while (Date.now() < untilMs && !faults.broken()) {
      await pause(Math.min(15_000, untilMs - Date.now()));
      say(
        `${faults.records.length} faults, ${producer.report.accepted.size} events accepted, ${producer.waiting()} waiting for their answer`,
      );
    }
    await faults.stop();
    await operator.stop();
    const withoutAnswer = await producer.stop(ANSWERED_WITHIN_MS);
    await receivers.heal();
    say(`load and faults have ended; what is pending has ${options.endsWithinMs / 1000} s to end`);
    const unfinished = await untilEnded(pool, options.endsWithinMs, say);

    const audited = await audit(pool, {
      accepted: producer.report.accepted,
      receipts: await receivers.receipts(),
      faults: [...faults.records, ...workers.flatMap(ownEndsOf)],
      acts: operator.report.acts,
      replayed: operator.report.replayed,
      jobLockMs,
    });
    const apiLedger = await readFinalLedger(
      createOperatorClient({ origin: consoleRole.origin, apiKey }),
      customerIds,
      endpoints.map(({ id }) => id),
    );
    const ownEnds = Object.fromEntries(roles.map((role) => [role.name, role.ownEnds()]));
    const exitCodes: Record<string, number | null> = {};
    for (const role of roles) exitCodes[role.name] = await role.stop();
    const { accepted: _, ...produced } = producer.report;
    const { acts: __, replayed, ...operated } = operator.report;
    const report = {
      ...audited,
      seconds: Math.round((Date.now() - startedMs) / 1000),
      faults: faults.records,
      producer: { ...produced, withoutAnswer },
      operator: { ...operated, replayed: replayed.size },
      apiLedger,
      unfinished,
      ownEnds,
      exitCodes,
      folder,
    };
    const failures = failuresOf(report);
    if (failures.length === 0) stops.unshift(() => rm(folder, { recursive: true, force: true }));
    return { ...report, failures };
  } finally {
    for (const stop of stops.reverse()) await stop().catch((error: unknown) => say(String(error)));
  }
}

function failuresOf(report: Omit<ChaosReport, 'failures'>): string[] {
  const { lost, duplicates, ledger, unfinished, producer, deliveredWithoutReceipt, eventsInPostgres } =
    report;
  const { operator, apiLedger, replaysNotSent } = report;
  const problems: [boolean, string][] = [
    [lost.length > 0, `${lost.length} accepted events are lost or unfinished`],
    [unfinished > 0, `${unfinished} deliveries have not ended`],
    [duplicates.unexplained.length > 0, `${duplicates.unexplained.length} duplicates have no cause`],
    [!ledger.balances, `the ledger says ${ledger.accepted} accepted, ${ledger.counted} counted`],
    [
      deliveredWithoutReceipt > 0,
      `${deliveredWithoutReceipt} deliveries say delivered but were not received`,
    ],
    [producer.keysWithTwoEvents > 0, `${producer.keysWithTwoEvents} keys made two events`],
    [producer.withoutAnswer > 0, `${producer.withoutAnswer} events never got a 202`],
    [
      producer.withoutAnswer === 0 && eventsInPostgres !== report.accepted,
      `${eventsInPostgres} events in Postgres for ${report.accepted} accepted`,
    ],
    [Object.keys(producer.refused).length > 0, `refused: ${JSON.stringify(producer.refused)}`],
    [
      Object.keys(operator.unexpected).length > 0,
      `the console answered: ${JSON.stringify(operator.unexpected)}`,
    ],
    [
      operator.ledgerWrong.length > 0,
      `${operator.ledgerWrong.length} of ${operator.ledgerReads} ledgers read meanwhile do not balance: ${operator.ledgerWrong[0]}`,
    ],
    [apiLedger.problems.length > 0, `the ledger at the end: ${apiLedger.problems.join('; ')}`],
    [
      apiLedger.total.accepted !== ledger.accepted,
      `the ledger of the API says ${apiLedger.total.accepted} accepted, Postgres ${ledger.accepted}`,
    ],
    [replaysNotSent.length > 0, `${replaysNotSent.length} replays were never sent`],
  ];
  return [
    ...problems.filter(([wrong]) => wrong).map(([, problem]) => problem),
    ...crashesOf(report.ownEnds),
    ...Object.entries(report.exitCodes)
      .filter(([, code]) => code !== 0)
      .map(([name, code]) => `${name} ended with ${code} when it was stopped at last`),
  ];
}

/** A crash is a fault as well, only that nobody asked for it. */
function ownEndsOf({ name, ownEnds }: RoleProcess): FaultRecord[] {
  return ownEnds().atMs.map((atMs) => ({
    kind: 'worker ended by itself',
    target: name,
    atMs,
    untilMs: atMs,
  }));
}

function crashesOf(ownEnds: ChaosReport['ownEnds']): string[] {
  return Object.entries(ownEnds)
    .filter(([, { whileRunning }]) => whileRunning > 0)
    .map(([name, { whileRunning }]) => `${name} ended by itself while running, ${whileRunning} times`);
}

function environment(databaseUrl: string, redisUrl: string, apiKey: string): Record<string, string> {
  return {
    PATH: process.env['PATH'] ?? '',
    DATABASE_URL: databaseUrl,
    REDIS_URL: redisUrl,
    POSTHORN_ADMIN_KEY: apiKey,
    POSTHORN_ENCRYPTION_KEYS: `chaos:${randomBytes(32).toString('base64')}`,
    POSTHORN_ALLOW_TARGETS: '127.0.0.0/8',
    POSTHORN_API_REQUESTS_PER_SECOND: '0',
    POSTHORN_HOST: '127.0.0.1',
    POSTHORN_TIMEOUT_MS: '1500',
    POSTHORN_JOB_LOCK_MS: String(jobLockMs),
    POSTHORN_STALLED_CHECK_MS: '500',
    POSTHORN_SWEEP_INTERVAL_MS: '500',
    POSTHORN_SWEEP_GRACE_MS: '1000',
  };
}

/** Each customer has a healthy endpoint and one of the others. */
async function addCustomers(
  origin: string,
  apiKey: string,
  receivers: Receivers,
  count: number,
): Promise<{ customerIds: string[]; endpoints: KnownEndpoint[] }> {
  const call = async (method: string, target: string, body: object): Promise<{ id: string }> => {
    const response = await fetch(origin + target, {
      method,
      headers: { authorization: `Bearer ${apiKey}`, 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
    if (!response.ok) throw new Error(`${target}: ${response.status} ${await response.text()}`);
    return (await response.json()) as { id: string };
  };
  const [healthy, ...others] = receiverBehaviours;
  const customerIds: string[] = [];
  const endpoints: KnownEndpoint[] = [];
  for (let index = 0; index < count; index += 1) {
    const id = `customer-${index}`;
    await call('PUT', `/v1/customers/${id}`, {});
    for (const behaviour of [healthy, others[index % others.length] ?? healthy]) {
      const name = `${id}-${behaviour}`;
      const url = receivers.url(behaviour, name);
      const endpoint = await call('POST', `/v1/customers/${id}/endpoints`, {
        url,
        eventTypes: ['*'],
        retryPolicy,
      });
      endpoints.push({ id: endpoint.id, name });
    }
    customerIds.push(id);
  }
  return { customerIds, endpoints };
}

async function untilEnded(pool: pg.Pool, withinMs: number, say: (line: string) => void): Promise<number> {
  const untilMs = Date.now() + withinMs;
  for (let round = 1; ; round += 1) {
    const unfinished = await countUnfinished(pool);
    if (unfinished === 0 || Date.now() > untilMs) return unfinished;
    if (round % 20 === 0) say(`${unfinished} pending`);
    await pause(500);
  }
}
