import { configVariables, type ConfigVariable } from './config-variables.js';

/** The text of docs/configuration.md, laid out as prettier would. */
export function configurationPage(): string {
  const groups = [...new Set(configVariables.map(({ group }) => group))];
  return `${[introduction, ...groups.map(section)].join('\n\n')}\n`;
}

const introduction = `# Configuration

Posthorn reads its configuration from the environment once, when it starts. If anything is wrong it names every problem and stops. An empty variable counts as unset. A \`POSTHORN_\` variable that is not listed here has no effect; it is named in a warning, since it is most likely a typo. The effective configuration is logged as \`config.loaded\`, without secrets.

This page is made from \`packages/runtime/src/config-variables.ts\` by \`pnpm --filter @posthorn/runtime docs\`; a test keeps the two equal.`;

function section(group: string): string {
  const rows = configVariables.filter((variable) => variable.group === group).map(row);
  return `## ${group}\n\n${table([['Variable', 'Default', 'Unit', 'Must be', 'Meaning'], ...rows])}`;
}

function row(variable: ConfigVariable): string[] {
  const { name, unit, accepted, meaning } = variable;
  return [`\`${name}\``, defaultCell(variable), unit ?? '', accepted, meaning];
}

function defaultCell({ default: byDefault, whenUnset, requiredFor }: ConfigVariable): string {
  const required = requiredFor.map((command) => `\`${command}\``).join(' and ');
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
