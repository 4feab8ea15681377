import { mkdir, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';

import { printReport } from './print-report.js';
import { runChaos } from './run-chaos.js';

// The fault runs: Posthorn as it runs in production under steady load, while its processes and services are killed at
// random. Ends with 1 when an accepted event did not end, a duplicate has no cause, or the ledger does not balance.

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '2' },
    seed: { type: 'string', default: '1' },
    rate: { type: 'string', default: '30' },
    customers: { type: 'string', default: '20' },
    every: { type: 'string', default: '3' },
    deadline: { type: 'string', default: '180' },
    output: { type: 'string' },
  },
});
const options = {
  minutes: Number(values.minutes),
  seed: Number(values.seed),
  eventsPerSecond: Number(values.rate),
  customers: Number(values.customers),
  faultEveryMs: Number(values.every) * 1000,
  endsWithinMs: Number(values.deadline) * 1000,
};

for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1));

const report = await runChaos({
  ...options,
  say: (line) => process.stdout.write(`${new Date().toISOString().slice(11, 19)}  ${line}\n`),
});
printReport(report);

const file = path.resolve(
  values.output ??
    path.join(
      import.meta.dirname,
      '../../results',
      `chaos-${new Date().toISOString().replaceAll(':', '')}.json`,
    ),
);
await mkdir(path.dirname(file), { recursive: true });
await writeFile(file, `${JSON.stringify({ machine: machine(), options, report }, null, 2)}\n`);
process.stdout.write(`\n${path.relative(process.cwd(), file)}\n`);
process.exitCode = report.failures.length === 0 ? 0 : 1;

function machine() {
  const cpus = os.cpus();
  return {
    cpu: cpus[0]?.model,
    cores: cpus.length,
    memoryGb: Math.round(os.totalmem() / 1e9),
    system: `${os.type()} ${os.release()}`,
    node: process.version,
  };
}
