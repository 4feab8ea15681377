/** No receiver can put its deliveries off for longer than this at once. */
export const retryAfterMaxMs = 6 * 3_600_000;

/**
 * The wait that a Retry-After field (RFC 9110, section 10.2.3) asks for, in ms from now: 0 for a date in the past, at most
 * `retryAfterMaxMs`, null when the field is absent or malformed. Takes delta-seconds and all three forms of HTTP-date.
 */
export function parseRetryAfterMs(value: string | undefined, nowMs: number): number | null {
  const text = value?.trim() ?? '';
  const waitMs = /^\d+$/.test(text) ? Number(text) * 1000 : waitUntil(parseHttpDateMs(text, nowMs), nowMs);
  return waitMs === null ? null : Math.min(Math.max(waitMs, 0), retryAfterMaxMs);
}

const months = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];
const time = '(?<hour>\\d{2}):(?<minute>\\d{2}):(?<second>\\d{2})';
const month = `(?<month>${months.join('|')})`;
const httpDateForms = [
  // Sun, 06 Nov 1994 08:49:37 GMT
  new RegExp(`^(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), (?<day>\\d{2}) ${month} (?<year>\\d{4}) ${time} GMT$`),
  // Sunday, 06-Nov-94 08:49:37 GMT
  new RegExp(
    `^(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day, (?<day>\\d{2})-${month}-(?<year>\\d{2}) ${time} GMT$`,
  ),
  // Sun Nov  6 08:49:37 1994
  new RegExp(`^(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun) ${month} (?<day>\\d{2}| \\d) ${time} (?<year>\\d{4})$`),
];

function waitUntil(dateMs: number | null, nowMs: number): number | null {
  return dateMs === null ? null : dateMs - nowMs;
}

function parseHttpDateMs(text: string, nowMs: number): number | null {
  for (const form of httpDateForms) {
    const fields = form.exec(text)?.groups;
    if (fields !== undefined) return dateMs(fields, nowMs);
  }
  return null;
}

function dateMs(fields: Record<string, string | undefined>, nowMs: number): number | null {
  const day = Number(fields.day);
  const hour = Number(fields.hour);
  const minute = Number(fields.minute);
  const second = Number(fields.second);
  // 60 is a leap second; Date.UTC carries it into the next minute.
  if (hour > 23 || minute > 59 || second > 60) return null;
  const year = fullYear(fields.year ?? '', nowMs);
  const midnight = new Date(0);
  midnight.setUTCFullYear(year, months.indexOf(fields.month ?? ''), day);
  if (midnight.getUTCDate() !== day) return null;
  return midnight.getTime() + ((hour * 60 + minute) * 60 + second) * 1000;
}

/** RFC 9110, section 5.6.7: a two-digit year is the latest one that is not more than 50 years ahead. */
function fullYear(digits: string, nowMs: number): number {
  if (digits.length === 4) return Number(digits);
  const latest = new Date(nowMs).getUTCFullYear() + 50;
  return Number(digits) + Math.floor((latest - Number(digits)) / 100) * 100;
}
