import type { Page } from '@posthorn/api-contract';

import type { PageOptions } from './client-options.js';
import { textTable } from './text-table.js';

export function print(text: string): void {
  process.stdout.write(text);
}

export function printJson(value: unknown): void {
  print(`${JSON.stringify(value, null, 2)}\n`);
}

/** A page as a table, and how to get the next one; or the answer itself with --json. */
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
    print('There are none.\n');
    return;
  }
  print(textTable(head, page.data.map(row)));
  if (page.nextCursor !== null) print(`\nMore: --limit ${limit} --cursor ${page.nextCursor}\n`);
}
