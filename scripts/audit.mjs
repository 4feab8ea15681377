// Looks up known vulnerabilities of what Posthorn runs with. Exit code 1: of severity high or above. 75: the registry in use
// does not tell (mirrors often do not, and there may be no network), so nothing is known.
import { spawnSync } from 'node:child_process';

const NOT_KNOWN = 75;
const audit = spawnSync(
  process.execPath,
  ['node_modules/pnpm/bin/pnpm.cjs', 'audit', '--prod', '--audit-level', 'high', '--json'],
  { encoding: 'utf8', timeout: 60_000 },
);
const report = parse(audit.stdout);
if (!report?.metadata) {
  console.log(`audit: not known (${report?.error?.code ?? 'no answer'})`);
  process.exit(NOT_KNOWN);
}
const { high = 0, critical = 0 } = report.metadata.vulnerabilities ?? {};
for (const { module_name, severity, title, url } of Object.values(report.advisories ?? {}))
  console.log(`${severity}: ${module_name}: ${title} (${url})`);
process.exit(high + critical > 0 ? 1 : 0);

function parse(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
