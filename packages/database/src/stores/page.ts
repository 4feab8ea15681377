/** One page of a list, newest first. */
export interface Page<T, Position = string> {
  items: T[];
  /** Where the next page starts (exclusive), or null after the last one. */
  next: Position | null;
}

/** Cuts a page out of `limit + 1` rows: the extra row only tells that there is more. */
export function cutPage<Row, T, Position>(
  rows: readonly Row[],
  limit: number,
  itemOf: (row: Row) => T,
  positionOf: (row: Row) => Position,
): Page<T, Position> {
  const shown = rows.slice(0, limit);
  const last = shown.at(-1);
  return {
    items: shown.map(itemOf),
    next: rows.length > limit && last !== undefined ? positionOf(last) : null,
  };
}
