export const dateTimePattern =
  /^(?!0000)(\d{4})-(\d{2})-(\d{2})[Tt](\d{2}):(\d{2}):([0-5]\d)(\.\d{1,9})?(?:[Zz]|[+-](?:[01]\d|2[0-3]):[0-5]\d)$/;

/**
 * Milliseconds of an RFC 3339 date-time, or null. The offset is required: a local time means something else on every
 * machine. Days that do not exist are refused, where Date would roll them over.
 */
export function parseTimestamp(text: string): number | null {
  const parts = dateTimePattern.exec(text);
  if (!parts) return null;
  const [year, month, day, hour, minute, second] = parts.slice(1, 7).map(Number) as [
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  if (hour > 23 || minute > 59 || second > 59) return null;
  if (month < 1 || month > 12 || day < 1 || day > daysIn(year, month)) return null;
  const ms = Date.parse(text.toUpperCase());
  // The offset can carry the first and the last day out of the years that Postgres and ISO 8601 write alike.
  return ms >= timestampMsMin && ms <= timestampMsMax ? ms : null;
}

/** The first and the last time that can be written with a year of four digits, and that Postgres and ISO 8601 write alike. */
export const timestampMsMin = Date.parse('0001-01-01T00:00:00Z');
export const timestampMsMax = Date.parse('9999-12-31T23:59:59.999Z');

function daysIn(year: number, month: number): number {
  return new Date(Date.UTC(year, month, 0)).getUTCDate();
}
