import { configVariables, type ConfigVariable } from './config-variables.js';

/** The text of docs/configuration.md, laid out as prettier would. */
export function configurationPage(): string {
  const groups = [...new Set(configVariables.map(({ group }) => group))];
  return `${[introduction, ...groups.map(section), ownAuthority, changingTheKey].join('\n\n')}\n`;
}

const introduction = `# Configuration

Posthorn reads its configuration from the environment once, at start. If something is wrong, it names every problem and stops. An empty variable counts as unset. An unknown \`POSTHORN_\` variable has no effect and causes a warning, because it is probably a typing error. The effective configuration is logged as \`config.loaded\`, without secrets.

\`pnpm --filter @posthorn/runtime docs\` writes this page from \`packages/runtime/src/config-variables.ts\`; a test compares them.`;

const ownAuthority = `## A certificate authority of your own

Set \`NODE_EXTRA_CA_CERTS\` in the environment of every process to a PEM file with one or more certificates. They are trusted in addition to the public authorities:

- **Endpoints.** Their certificates are always verified; no setting turns that off.
- **Postgres**, with \`sslmode=verify-full\` in \`DATABASE_URL\`. With \`sslmode=verify-full&sslrootcert=/etc/ssl/postgres-ca.pem\` only that file is trusted for Postgres. Without \`sslmode\` the connection is not encrypted.
- **Redis**, with \`rediss://\` in \`REDIS_URL\`.

The certificate must contain the host name of the address. In containers the file must be readable for user 1000. A file that cannot be read, or has no certificate, is a problem at start.`;

const changingTheKey = `## Changing the encryption key

Nothing stops, and every process can always read what the others write:

1. Put the new key **behind** the old one, \`POSTHORN_ENCRYPTION_KEYS=old:…,new:…\`, and restart the processes one after the other. Now all of them can read what the new key encrypts.
2. Put the new key **in front**, \`new:…,old:…\`, and restart them again. Now the new key encrypts.
3. Run \`posthorn keys reencrypt\` with that same variable and \`DATABASE_URL\`. It encrypts signing secrets, custom headers and stored responses of other keys with the first key, in batches of 500, and prints how many. After an interruption, the next run does the rest. If a key is missing, it says which one for how many values, and changes nothing. \`--dry-run\` only counts.
4. When everything is encrypted with the new key, remove the old key and restart a last time. Keep the old key with backups from before step 3.

With only one process, steps 1 and 2 are one. After a leak, rotate the signing secrets too: the key and a copy of the database reveal them.`;

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
