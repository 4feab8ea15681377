import type { Page } from '@posthorn/api-contract';

import type { PageOptions } from './client-options.js';
import { textTable } from './text-table.js';

export function print(text: string): void {
  process.stdout.write(text);
}

export function printJson(value: unknown): void {
  print(`${JSON.stringify(value, null, 2)}\n`);
}

/** One result: as JSON with --json, or else as this text. */
export function printResult(value: unknown, { json }: { json?: boolean }, text: string): void {
  if (json) printJson(value);
  else print(text);
}

/** A page as a table with the options for the next page, or as JSON with --json. */
export function printPage<T>(
  page: Page<T>,
  { json, limit }: PageOptions,
  head: readonly string[],
  row: (item: T) => readonly string[],
): void {
  if (json) {
    printJson(page);
    return;
  }
  if (page.data.length === 0) {
    print('No results.\n');
    return;
  }
  print(textTable(head, page.data.map(row)));
  if (page.nextCursor !== null) print(`\nNext page: --limit ${limit} --cursor ${page.nextCursor}\n`);
}
