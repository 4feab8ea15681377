// `count-results.mjs <folder> <part>=<exit code>…`: what .ci/run ends with. A part left behind, in the folder, what Jest
// (`<part>.json`), `npm run check` (the same) or a benchmark (`<part>/*.json`) writes.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';

const [folder, ...parts] = process.argv.slice(2);

let passed = 0;
let failed = 0;
for (const part of parts) {
  const [name, exitCode] = part.split('=');
  const result = countOf(read(name));
  passed += result.passed;
  // A run that failed without a failure to show for it (an installation, a crash) counts as one.
  failed += exitCode === '0' ? result.failed : Math.max(result.failed, 1);
}
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed === 0 && passed > 0 ? 0 : 1);

function read(name) {
  const file = path.join(folder, `${name}.json`);
  if (existsSync(file)) return JSON.parse(readFileSync(file, 'utf8'));
  const inside = path.join(folder, name);
  const written = existsSync(inside)
    ? readdirSync(inside).find((entry) => entry.endsWith('.json'))
    : undefined;
  return written === undefined ? null : JSON.parse(readFileSync(path.join(inside, written), 'utf8'));
}

function countOf(result) {
  if (result === null) return { passed: 0, failed: 0 };
  if (Array.isArray(result)) return split(result.map(({ passed }) => passed));
  if (Array.isArray(result.targets)) return split(result.targets.map(({ met }) => met));
  // A file that cannot be loaded has no tests to count; it failed all the same.
  return {
    passed: result.numPassedTests,
    failed: result.numFailedTests + result.numRuntimeErrorTestSuites,
  };
}

function split(outcomes) {
  return {
    passed: outcomes.filter((outcome) => outcome).length,
    failed: outcomes.filter((outcome) => !outcome).length,
  };
}
