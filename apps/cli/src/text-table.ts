/** Left-aligned columns, two spaces apart, without trailing spaces. */
export function textTable(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const lines = [head, ...rows].map((cells) => cells.map(printable));
  const widths = head.map((_, column) => Math.max(...lines.map((cells) => cells[column]?.length ?? 0)));
  return lines
    .map((cells) =>
      cells
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .map((line) => `${line}\n`)
    .join('');
}

/** What came from elsewhere may hold escape sequences, which a terminal would obey, and line breaks. */
export function printable(text: string): string {
  return text.replace(/\p{Cc}+/gu, ' ');
}

/** `2026-01-31 12:00:00` in UTC. */
export function shortTime(iso: string | null): string {
  return iso === null ? '-' : iso.slice(0, 19).replace('T', ' ');
}
