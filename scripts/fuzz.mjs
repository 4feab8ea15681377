// `npm run fuzz -- --requests 20000 --seed 7`: requests made from the OpenAPI document, right ones and broken ones, to a
// server with a Postgres and a Redis of its own. Fails when an answer is not what the document says. `--seen` lists how
// often each operation was answered with each status.
import { parseArgs } from 'node:util';
import './typescript-source.mjs';
import startServices, { stopServices } from './jest-services.mjs';

const { values } = parseArgs({
  options: {
    requests: { type: 'string', default: '20000' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000_000) },
    seen: { type: 'boolean', default: false },
  },
});
const requests = Number(values.requests);
const seed = Number(values.seed);
if (!Number.isSafeInteger(requests) || requests < 1 || !Number.isSafeInteger(seed) || seed < 0) {
  console.error('usage: npm run fuzz -- [--requests <number>] [--seed <number>] [--seen]');
  process.exit(2);
}

console.log(`seed ${seed}, ${requests} requests`);
await startServices();
const { openFuzzWorld } = await import('../tests/api/support/fuzz/fuzz-world.ts');
const { describeResult, runFuzz } = await import('../tests/api/support/fuzz/run-fuzz.ts');
const world = await openFuzzWorld();
try {
  const result = await runFuzz(world, { seed, requests });
  if (values.seen) for (const [kind, times] of [...result.seen].sort()) console.log(`${kind}: ${times}`);
  console.log(describeResult(result, seed));
  process.exitCode = result.problems.length === 0 ? 0 : 1;
} finally {
  await world.close();
  await stopServices();
}
