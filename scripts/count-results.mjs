// `count-results.mjs <folder> <exit code of the tests> <exit code of the checks>`: what .ci/run ends with.
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';

const [folder, testsExit, checksExit] = process.argv.slice(2);
const tests = read('tests.json');
const checks = read('checks.json') ?? [];

const passed = (tests?.numPassedTests ?? 0) + checks.filter((check) => check.passed).length;
// A file that cannot be loaded has no tests to count; it failed all the same.
const failedTests = (tests?.numFailedTests ?? 0) + (tests?.numRuntimeErrorTestSuites ?? 0);
const failedChecks = checks.filter((check) => !check.passed).length;
const failed = orOne(failedTests, testsExit) + orOne(failedChecks, checksExit);

console.log(`${passed} passed, ${failed} failed`);
process.exit(failed === 0 && passed > 0 ? 0 : 1);

function read(name) {
  const file = path.join(folder, name);
  return existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : null;
}

/** A run that failed without a failure to show for it (an installation, a crash) counts as one. */
function orOne(count, exitCode) {
  return exitCode === '0' ? count : Math.max(count, 1);
}
