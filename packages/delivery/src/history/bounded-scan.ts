import { cutPage, type Page } from '@posthorn/database';

/**
 * Rows that one page may look at when no index serves its filter. A page over rare matches can thus be short, even
 * empty, and still say where to go on; without the bound one request could read a month of a busy customer.
 */
export const scannedRowsMax = 5_000;

export interface BoundedScan<Row extends { id: string }, T> {
  limit: number;
  /** The id `skip` rows down the list when nothing but indexed conditions holds, if there is one. */
  findFloor: (skip: number) => Promise<{ id: string } | null>;
  /** The first `take` matches, none below `floor`. */
  findMatches: (floor: string | null, take: number) => Promise<Row[]>;
  itemOf: (row: Row) => T;
}

export async function readBoundedPage<Row extends { id: string }, T>({
  limit,
  findFloor,
  findMatches,
  itemOf,
}: BoundedScan<Row, T>): Promise<Page<T>> {
  const floor = (await findFloor(scannedRowsMax - 1))?.id ?? null;
  const page = cutPage(await findMatches(floor, limit + 1), limit, itemOf, ({ id }) => id);
  return { items: page.items, next: page.next ?? floor };
}
