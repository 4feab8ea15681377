import { addCustomers } from '../start-contestants.js';
import { tidyUp, untilRecorded } from '../frame/contestant.js';
import { startPosthorn, type Posthorn } from '../frame/posthorn.js';
import { readProcessUsage, readTreeCpuMs } from '../frame/process-usage.js';
import { readRedisUse } from '../frame/redis-use.js';
import { runScenario } from '../frame/run-scenario.js';
import { openStage, type Stage } from '../frame/stage.js';
import { atMost, rounded } from '../frame/target.js';

const POSTGRES_PERCENT_MAX = 2;
const ROLES_PERCENT_MAX = 3;
const DRAIN_LIMIT_MS = 60_000;

const PARTS = ['console', 'ingest', 'worker', 'postgres', 'redis'] as const;
type IdleCpu = Record<(typeof PARTS)[number], number>;

await runScenario({
  name: 'idle',
  about: 'what an installation costs that has delivered and now rests',
  minutesMax: { long: 10, short: 5 },
  settings: {
    customers: { long: 10_000, short: 1_000 },
    partitions: { long: 35, short: 35 },
    // Until some 35 s after the last delivery V8 gives memory back, which would count as use at rest.
    'settle-seconds': { long: 45, short: 45 },
    seconds: { long: 60, short: 30 },
  },
  async run({ settings, say, onEnd }) {
    const stage = await openStage();
    onEnd(stage.stop);
    const posthorn = await startPosthorn(stage, { partitionDays: settings.partitions });
    await addCustomers(stage, posthorn, { prefix: 'idle-', count: settings.customers });
    say(`${settings.customers} customers with an endpoint each`);
    const { accepted } = await stage.load.run(posthorn, {
      customers: { prefix: 'idle-', count: Math.min(settings.customers, 100) },
      rate: 100,
      seconds: 5,
      connections: 16,
    });
    if (!(await untilRecorded(posthorn, DRAIN_LIMIT_MS)))
      throw new Error('The events were not delivered in time');
    say(`${accepted} events delivered`);
    await tidyUp(posthorn);
    await pause(settings['settle-seconds'] * 1_000);

    const { server, jit } = await describeServer(posthorn);
    const measured = await measure(stage, posthorn, settings.seconds);
    const { percent, commandsPerSecond, statementsPerSecond } = measured;
    const roles = percent.console + percent.ingest + percent.worker;
    return {
      lost: [],
      targets: [
        atMost(`Postgres ${server}, CPU`, percent.postgres, POSTGRES_PERCENT_MAX, ' %'),
        atMost('all roles, CPU', roles, ROLES_PERCENT_MAX, ' %'),
      ],
      tables: [
        {
          title: `At rest for ${settings.seconds} s, Postgres ${server} (jit = ${jit} by default): CPU, % of a core`,
          columns: ['customers', ...PARTS, 'all roles', 'transactions/s', 'Redis commands/s'],
          rows: [
            [
              settings.customers,
              ...PARTS.map((part) => rounded(percent[part])),
              rounded(roles),
              statementsPerSecond,
              commandsPerSecond,
            ],
          ],
        },
      ],
      charts: [],
      data: { server, jit, ...measured },
    };
  },
});

async function measure(stage: Stage, posthorn: Posthorn, seconds: number) {
  const before = readCpuMs(stage, posthorn);
  const { commands } = await readRedisUse(stage.redis);
  const transactions = await countTransactions(posthorn);
  const startedMs = performance.now();
  await pause(seconds * 1_000);
  const elapsedMs = performance.now() - startedMs;
  const after = readCpuMs(stage, posthorn);
  const perSecond = (count: number) => rounded((count * 1_000) / elapsedMs);
  const percentOf = (part: keyof IdleCpu) => (100 * (after[part] - before[part])) / elapsedMs;
  return {
    percent: Object.fromEntries(PARTS.map((part) => [part, percentOf(part)])) as IdleCpu,
    commandsPerSecond: perSecond((await readRedisUse(stage.redis)).commands - commands - 1),
    statementsPerSecond: perSecond((await countTransactions(posthorn)) - transactions - 1),
  };
}

/** CPU milliseconds so far, by the kernel's accounting; of Postgres those of all its processes, ended ones included. */
function readCpuMs(stage: Stage, { console, ingest, workers }: Posthorn): IdleCpu {
  const own = (pid: number) => readProcessUsage(pid).cpuMs;
  return {
    console: own(console.pid),
    ingest: own(ingest.pid),
    worker: workers.reduce((sum, { pid }) => sum + own(pid), 0),
    postgres: readTreeCpuMs(stage.postgresPid),
    redis: own(stage.redisPid),
  };
}

async function countTransactions({ pool }: Posthorn): Promise<number> {
  const { rows } = await pool.query<{ count: number }>(
    'SELECT (xact_commit + xact_rollback)::float8 AS count FROM pg_stat_database WHERE datname = current_database()',
  );
  return rows[0]?.count ?? 0;
}

async function describeServer({ pool }: Posthorn): Promise<{ server: string; jit: string }> {
  const { rows } = await pool.query<{ server: string; jit: string }>(
    "SELECT current_setting('server_version') AS server, boot_val AS jit FROM pg_settings WHERE name = 'jit'",
  );
  return rows[0] ?? { server: 'unknown', jit: 'unknown' };
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
