import { operations } from '../../packages/api-contract/src/operations.js';
import {
  type OperationId,
  type PermissionRow,
  permissions,
} from '../../packages/api-contract/src/permissions.js';

/** The permission table as docs/concepts/access.md has it, laid out as prettier would. */
export function permissionsTable(): string {
  const head = [
    'Operation',
    'Admin key',
    'Read key',
    'deliveries:write key',
    'events:write key',
    'Key of one customer',
    'Portal session',
  ];
  const rows = Object.entries(permissions).map(([id, permission]) => [
    operationCell(id as OperationId),
    ...cells(permission),
  ]);
  const widths = head.map((_, column) => Math.max(...[head, ...rows].map((row) => row[column]?.length ?? 0)));
  const line = (row: string[]) =>
    `| ${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(' | ')} |`;
  return [line(head), line(widths.map((width) => '-'.repeat(width))), ...rows.map(line)].join('\n');
}

function operationCell(id: OperationId): string {
  const { method, path } = operations[id];
  return `\`${method.toUpperCase()} ${path}\``;
}

function cells(permission: PermissionRow): string[] {
  if (permission === 'open') return Array.from({ length: 6 }, () => 'open');
  const { admin, read, deliveriesWrite, eventsWrite, restricted, portal } = permission;
  return [admin, read, deliveriesWrite, eventsWrite, restricted, portal].map((access) =>
    access === 'no' ? '–' : access,
  );
}
