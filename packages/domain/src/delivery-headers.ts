export const deliveryHeadersLimits = { countMax: 50, bytesMax: 8192 } as const;

export interface DeliveryHeaderProblem {
  /** The header it is about, or null when it is about all of them together. */
  readonly name: string | null;
  readonly message: string;
}

/**
 * What is wrong with the custom headers of an endpoint or of a one-shot delivery; empty when they may be sent. Names are
 * RFC 9110 tokens, values visible ASCII with inner spaces and tabs: a line break could smuggle in a header or a request.
 * Messages never repeat a value: values may be credentials.
 */
export function deliveryHeaderProblems(headers: Readonly<Record<string, string>>): DeliveryHeaderProblem[] {
  const entries = Object.entries(headers);
  const problems = entries.flatMap(([name, value]) => {
    const message = nameProblem(name) ?? valueProblem(value);
    return message === null ? [] : [{ name, message }];
  });
  return [...problems, ...repeatedNames(entries), ...sizeProblems(entries)];
}

/** Hop-by-hop, framing, or decided by what we send; a signed request would no longer mean what it says. */
const reservedNames = new Set([
  'connection',
  'content-encoding',
  'content-length',
  'content-type',
  'expect',
  'host',
  'http2-settings',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);

/** Every signing scheme's headers, whichever the endpoint uses now. */
const signingPrefixes = ['webhook-', 'x-webhook-'];

function nameProblem(name: string): string | null {
  if (!/^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/.test(name)) return 'is not a valid header name';
  const lower = name.toLowerCase();
  if (reservedNames.has(lower)) return 'is set by the delivery itself and cannot be overridden';
  if (signingPrefixes.some((prefix) => lower.startsWith(prefix))) {
    return 'is reserved for signatures and cannot be overridden';
  }
  return null;
}

function valueProblem(value: string): string | null {
  return /^(?:[\x21-\x7e](?:[\t\x20-\x7e]*[\x21-\x7e])?)?$/.test(value)
    ? null
    : 'must have a value of visible ASCII characters, without spaces at either end';
}

function repeatedNames(entries: readonly [string, string][]): DeliveryHeaderProblem[] {
  const seen = new Set<string>();
  return entries.flatMap(([name]) => {
    const lower = name.toLowerCase();
    if (seen.has(lower)) return [{ name, message: 'is given twice; names do not distinguish case' }];
    seen.add(lower);
    return [];
  });
}

function sizeProblems(entries: readonly [string, string][]): DeliveryHeaderProblem[] {
  const { countMax, bytesMax } = deliveryHeadersLimits;
  const problems: DeliveryHeaderProblem[] = [];
  if (entries.length > countMax)
    problems.push({ name: null, message: `must be at most ${countMax} headers` });
  // As on the wire: the colon, the space and the line break count too.
  const bytes = entries.reduce(
    (sum, [name, value]) => sum + Buffer.byteLength(name) + Buffer.byteLength(value) + 4,
    0,
  );
  if (bytes > bytesMax) problems.push({ name: null, message: `must be at most ${bytesMax} bytes in all` });
  return problems;
}
