/** What a log line may hold: no payloads, no credentials, nothing endless. The last guard, not a licence to pass them. */

const redacted = '[redacted]';
const depthMax = 6;
const elementsMax = 100;
const charactersMax = 4096;

export function redactFields(fields: object): Record<string, unknown> {
  return redactMembers(fields, new Set([fields]));
}

/** Credentials and payload excerpts are recognised by their look, wherever in a text they stand. */
export function redactText(text: string): string {
  const short = text.length > charactersMax ? `${text.slice(0, charactersMax)}…` : text;
  return withoutQuotedJson(short)
    .replace(/\b(phk_|phl_|phs_|whsec_)[A-Za-z0-9_+/=-]+/g, `$1${redacted}`)
    .replace(/\b(Bearer|Basic)\s+[^\s"',]{8,}/gi, `$1 ${redacted}`)
    .replace(/(:\/\/)[^\s/]+@/g, `$1${redacted}@`);
}

/** V8 quotes the text it could not parse, which is somebody's payload. */
function withoutQuotedJson(text: string): string {
  const complaint = ' is not valid JSON';
  const end = text.lastIndexOf(complaint);
  const start = end < 0 ? -1 : text.indexOf('"');
  return start < 0 || start > end ? text : `${text.slice(0, start)}${redacted}${text.slice(end)}`;
}

function redactMembers(object: object, seen: ReadonlySet<object>): Record<string, unknown> {
  const result: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(object)) {
    if (value !== undefined) result[key] = isSensitive(key, value) ? redacted : redactValue(value, seen);
  }
  return result;
}

function redactValue(value: unknown, seen: ReadonlySet<object>): unknown {
  switch (typeof value) {
    case 'string':
      return redactText(value);
    case 'bigint':
      return value.toString();
    case 'object':
      return value === null ? null : redactObject(value, seen);
    case 'function':
    case 'symbol':
      return `[${typeof value}]`;
    default:
      return value;
  }
}

function redactObject(value: object, seen: ReadonlySet<object>): unknown {
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? null : value.toISOString();
  if (value instanceof URL) return redactText(value.href);
  if (ArrayBuffer.isView(value)) return `[${value.byteLength} bytes]`;
  if (seen.has(value)) return '[circular]';
  if (seen.size > depthMax) return '[deep]';
  const path = new Set(seen).add(value);
  if (isError(value)) return redactError(value, path);
  if (value instanceof Map || value instanceof Set) return redactElements([...value], path);
  return Array.isArray(value) ? redactElements(value, path) : redactMembers(value, path);
}

function redactElements(elements: unknown[], seen: ReadonlySet<object>): unknown[] {
  const kept = elements.slice(0, elementsMax).map((element) => redactValue(element, seen));
  return elements.length > elementsMax ? [...kept, `[${elements.length - elementsMax} more]`] : kept;
}

function isError(value: object): value is Error {
  // Errors of another realm (a vm context) are no instances of this one's Error.
  return value instanceof Error || Object.prototype.toString.call(value) === '[object Error]';
}

/** Only these members: a database driver's `detail` and `where` quote the row, which is a payload. */
function redactError(error: Error, seen: ReadonlySet<object>): Record<string, unknown> {
  const { name, message, stack, cause } = error;
  const { code, errors } = error as { code?: unknown; errors?: unknown };
  return {
    name,
    message: redactText(message),
    ...((typeof code === 'string' || typeof code === 'number') && { code }),
    ...(stack !== undefined && { stack: redactText(stack) }),
    ...(cause !== undefined && { cause: redactValue(cause, seen) }),
    ...(Array.isArray(errors) && { errors: redactElements(errors, seen) }),
  };
}

const credentialWords = new Set(
  'authorization secret secrets token tokens cookie cookies password passwords passphrase credential credentials keyring'.split(
    ' ',
  ),
);
/** Header values are encrypted where they are stored, so they are not written here either. */
const contentWords = new Set(['body', 'payload', 'data', 'headers']);
const keyKinds = new Set(['api', 'admin', 'private', 'encryption', 'signing']);

/** `set-cookie`, `portalToken`, `response_body` are; `secret_overlap_seconds: 60`, `payload_bytes`, `data_dir` are not. */
function isSensitive(key: string, value: unknown): boolean {
  const words = key
    .replace(/([a-z0-9])([A-Z])/g, '$1_$2')
    .toLowerCase()
    .split(/[^a-z0-9]+/);
  const last = words.at(-1) ?? '';
  if (credentialWords.has(last) || contentWords.has(last)) return true;
  if ((last === 'key' || last === 'keys') && keyKinds.has(words.at(-2) ?? '')) return true;
  const holdsContent = typeof value === 'string' || (typeof value === 'object' && value !== null);
  return holdsContent && words.some((word) => credentialWords.has(word));
}
