import { setTimeout as pause } from 'node:timers/promises';

import type { RoleProcess } from './role-process.js';
import type { SeededRandom } from './seeded-random.js';
import type { PostgresService, RedisService } from './services.js';

export interface FaultRecord {
  kind: string;
  target: string;
  atMs: number;
  /** When what it hit was back; null while it is not. */
  untilMs: number | null;
}

export interface FaultTargets {
  ingests: readonly RoleProcess[];
  workers: readonly RoleProcess[];
  console: RoleProcess;
  postgres: PostgresService;
  redis: RedisService;
  /** Of the workers; a worker is stopped for longer than this. */
  jobLockMs: number;
}

interface Fault {
  kind: string;
  target: string;
  run(random: SeededRandom): Promise<void>;
}

export interface FaultRun {
  records: readonly FaultRecord[];
  /** A fault could not be carried out, so what it hit may be gone for good: `stop` will reject. */
  broken(): boolean;
  /** No new faults; resolves when everything is back. Rejects when a fault could not be carried out. */
  stop(): Promise<void>;
}

/** Faults one after the other, `everyMs` apart on average, of every kind before any kind comes again. */
export function startFaults(targets: FaultTargets, random: SeededRandom, everyMs: number): FaultRun {
  const faults = faultsOf(targets);
  const records: FaultRecord[] = [];
  const busy = new Map<string, Promise<void>>();
  const stopping = new AbortController();
  let failure: Error | undefined;
  let bag: Fault[] = [];

  async function run(): Promise<void> {
    for (;;) {
      const waitMs = random.between(everyMs * 0.5, everyMs * 1.5);
      await pause(waitMs, undefined, { signal: stopping.signal }).catch(() => undefined);
      if (stopping.signal.aborted) return;
      if (bag.length === 0) bag = random.shuffled(faults);
      // What is still down from an earlier fault is left to come back first.
      const index = bag.findIndex(({ target }) => !busy.has(target));
      const [fault] = index < 0 ? [] : bag.splice(index, 1);
      if (fault) begin(fault);
    }
  }

  function begin(fault: Fault): void {
    const record: FaultRecord = { kind: fault.kind, target: fault.target, atMs: Date.now(), untilMs: null };
    records.push(record);
    const done = fault
      .run(random)
      .catch((error: unknown) => {
        failure ??= new Error(`${fault.kind} of ${fault.target} could not be carried out`, { cause: error });
      })
      .finally(() => {
        record.untilMs = Date.now();
        busy.delete(fault.target);
      });
    busy.set(fault.target, done);
  }

  const running = run();
  return {
    records,
    broken: () => failure !== undefined,
    async stop() {
      stopping.abort();
      await running;
      await Promise.all(busy.values());
      if (failure) throw failure;
    },
  };
}

function faultsOf({ ingests, workers, console, postgres, redis, jobLockMs }: FaultTargets): Fault[] {
  const roles = [...ingests, ...workers, console];
  const onRedis = (kind: string, run: Fault['run']): Fault => ({ kind, target: 'redis', run });
  const onPostgres = (kind: string, run: Fault['run']): Fault => ({ kind, target: 'postgres', run });
  const restartRedis = (change: () => Promise<unknown>) => async (random: SeededRandom) => {
    await redis.kill();
    await change();
    await pause(random.between(0, 2_500));
    await redis.start();
    await redis.keepCopy();
  };

  return [
    ...roles.flatMap((role) => [
      killed(role),
      ...(workers.includes(role) ? [killed(role)] : []),
      restarted(role),
    ]),
    ...workers.map((worker) => suspended(worker, jobLockMs)),
    onRedis('redis flushed', async () => {
      await redis.commands('FLUSHALL');
    }),
    onRedis(
      'redis killed, data kept',
      restartRedis(() => Promise.resolve()),
    ),
    onRedis(
      'redis killed, came back empty',
      restartRedis(() => redis.removeData()),
    ),
    onRedis(
      'redis killed, came back with older data',
      restartRedis(() => redis.restoreCopy()),
    ),
    onRedis('pub/sub connections cut', async () => {
      await redis.commands('CLIENT KILL TYPE pubsub');
    }),
    onRedis('pub/sub connections cut', async () => {
      await redis.commands('CLIENT KILL TYPE pubsub');
    }),
    onPostgres('postgres restarted', async (random) => {
      await postgres.stop();
      await pause(random.between(0, 2_500));
      await postgres.start();
    }),
    onPostgres('postgres killed', async (random) => {
      await postgres.kill();
      await pause(random.between(0, 2_500));
      await postgres.start();
    }),
  ];
}

function killed(role: RoleProcess): Fault {
  return {
    kind: `${kindOf(role)} killed`,
    target: role.name,
    async run() {
      role.kill('SIGKILL');
      await role.untilEnded();
      await role.untilUp();
    },
  };
}

function restarted(role: RoleProcess): Fault {
  return {
    kind: `${kindOf(role)} restarted`,
    target: role.name,
    async run() {
      role.kill('SIGTERM');
      await role.untilEnded();
      await role.untilUp();
    },
  };
}

function suspended(worker: RoleProcess, jobLockMs: number): Fault {
  return {
    kind: 'worker stopped and continued',
    target: worker.name,
    async run(random) {
      worker.kill('SIGSTOP');
      await pause(jobLockMs * random.between(1.3, 2.5));
      worker.kill('SIGCONT');
      await worker.untilUp();
    },
  };
}

function kindOf(role: RoleProcess): string {
  return role.name.replace(/-\d+$/, '');
}
