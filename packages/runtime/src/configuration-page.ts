import { configVariables, type ConfigVariable } from './config-variables.js';

/** The text of docs/configuration.md, laid out as prettier would. */
export function configurationPage(): string {
  const groups = [...new Set(configVariables.map(({ group }) => group))];
  return `${[introduction, ...groups.map(section), ownAuthority, changingTheKey].join('\n\n')}\n`;
}

const introduction = `# Configuration

Posthorn reads its configuration from the environment once, when it starts. If anything is wrong it names every problem and stops. An empty variable counts as unset. A \`POSTHORN_\` variable that is not listed here has no effect; it is named in a warning, since it is most likely a typo. The effective configuration is logged as \`config.loaded\`, without secrets.

This page is made from \`packages/runtime/src/config-variables.ts\` by \`pnpm --filter @posthorn/runtime docs\`; a test keeps the two equal.`;

const ownAuthority = `## A certificate authority of your own

Set \`NODE_EXTRA_CA_CERTS\` to a file with the authority's certificate (PEM, several may follow each other) in the environment of every process. What it signed is then trusted beside the public authorities:

- **Endpoints.** Their certificates are always verified; no setting turns that off.
- **Postgres**, with \`sslmode=verify-full\` in \`DATABASE_URL\`. A file for Postgres alone can be named there instead: \`sslmode=verify-full&sslrootcert=/etc/ssl/postgres-ca.pem\`; then nothing else is trusted for it. Without \`sslmode\` the connection is not encrypted.
- **Redis**, with \`rediss://\` in \`REDIS_URL\`.

The name in the address must be one that the certificate names. In containers mount the file readable for user 1000. A file that cannot be read, or holds no certificate, is a problem at the start.`;

const changingTheKey = `## Changing the encryption key

Without stopping anything, and with every process able to read what any other writes at every moment:

1. Put the new key **behind** the old one, \`POSTHORN_ENCRYPTION_KEYS=old:…,new:…\`, and restart the processes one after the other. From now on all of them can read what the new key encrypts.
2. Put the new key **in front**, \`new:…,old:…\`, and restart them again. From now on it encrypts what is written.
3. Run \`posthorn keys reencrypt\` with that same variable and \`DATABASE_URL\`. It encrypts with the first key what the others have encrypted, signing secrets, custom headers and answers kept for repeated requests, in batches of 500 while everything runs, and prints how many. Stopped half-way, the next run does the rest. If a key is missing it says which one, for how many values, and changes nothing; \`--dry-run\` only counts.
4. When it says that everything is encrypted with the new key, leave the old key out and restart them a last time. Backups of the database from before step 3 still need the old key: keep it with them.

Where one process does everything, steps 1 and 2 are one. After a leak, rotate the signing secrets as well: whoever had the key and a copy of the database has them.`;

function section(group: string): string {
  const rows = configVariables.filter((variable) => variable.group === group).map(row);
  return `## ${group}\n\n${table([['Variable', 'Default', 'Unit', 'Must be', 'Meaning'], ...rows])}`;
}

function row(variable: ConfigVariable): string[] {
  const { name, unit, accepted, meaning } = variable;
  return [`\`${name}\``, defaultCell(variable), unit ?? '', accepted, meaning];
}

function defaultCell({ default: byDefault, whenUnset, requiredFor }: ConfigVariable): string {
  const required = requiredFor
    .map((command) => `\`${command}\``)
    .join(', ')
    .replace(/, ([^,]*)$/, ' and $1');
  const parts = required ? [`required by ${required}`] : [];
  if (typeof byDefault === 'string') parts.push(`\`${byDefault}\``);
  else if (byDefault) parts.push(`\`${byDefault.dev}\` in \`dev\`, \`${byDefault.serve}\` in \`serve\``);
  if (whenUnset) parts.push(whenUnset);
  return parts.join('; ');
}

function table(rows: string[][]): string {
  const widths = (rows[0] ?? []).map((_, column) =>
    Math.max(...rows.map((cells) => cells[column]?.length ?? 0)),
  );
  const line = (cells: string[]) =>
    `| ${cells.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(' | ')} |`;
  const [head = [], ...body] = rows;
  return [line(head), line(widths.map((width) => '-'.repeat(width))), ...body.map(line)].join('\n');
}
