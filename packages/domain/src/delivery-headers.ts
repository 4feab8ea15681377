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
  return [...problems, ...repeatedHeaderNames(entries.map(([name]) => name)), ...sizeProblems(entries)];
}

/** Hop-by-hop, framing, or decided by what we send; a signed request would no longer mean what it says. */
const reservedNames = new Set([
  'close',
  'connection',
  'content-encoding',
  'content-length',
  'content-range',
  'content-type',
  'expect',
  'host',
  'http2-settings',
  'keep-alive',
  'te',
  'trailer',
  'trailers',
  'transfer-encoding',
  'upgrade',
]);

/** Every signing scheme's headers, whichever the endpoint uses now, and those that svix's verifiers look at first. */
const signingPrefixes = ['webhook-', 'x-webhook-', 'svix-'];

/** Letters in either case; anything but letters and digits for a dash, as `reservedHeaderProblem` reads names. */
const anyForm = (name: string) =>
  name.replaceAll(/[a-z-]/g, (sign) => (sign === '-' ? '[^A-Za-z0-9]' : `[${sign.toUpperCase()}${sign}]`));

/** What a custom header may be called, and what its value may be: the rules below, for schemas. */
export const deliveryHeaderPatterns = {
  name: /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/,
  reservedName: new RegExp(
    `^(?:(?:${[...reservedNames].map(anyForm).join('|')})$|${[...signingPrefixes, 'proxy-'].map(anyForm).join('|')})`,
  ),
  value: /^(?:[\x21-\x7e](?:[\t\x20-\x7e]*[\x21-\x7e])?)?$/,
} as const;

/** Whether a custom header of this name may not be sent, and why. */
export function reservedHeaderProblem(name: string): string | null {
  // CGI, WSGI, Rack and PHP hand Webhook_Signature and Webhook-Signature on under one name.
  const lower = name.toLowerCase().replaceAll(/[^a-z0-9]/g, '-');
  if (signingPrefixes.some((prefix) => lower.startsWith(prefix))) {
    return 'is reserved for signatures and cannot be overridden; use another name, such as X-Tenant';
  }
  return reservedNames.has(lower) || lower.startsWith('proxy-')
    ? 'is set by the delivery itself and cannot be overridden; leave it out'
    : null;
}

function nameProblem(name: string): string | null {
  return deliveryHeaderPatterns.name.test(name)
    ? reservedHeaderProblem(name)
    : "is no header name: use letters, digits and !#$%&'*+-.^_`|~ only, such as X-Tenant";
}

function valueProblem(value: string): string | null {
  return deliveryHeaderPatterns.value.test(value)
    ? null
    : 'must have a value of visible ASCII characters, without spaces at either end, such as "Bearer abc"';
}

/** Names that stand for a header given before them: `X-Tenant` and `x-tenant` are one. */
export function repeatedHeaderNames(names: readonly string[]): DeliveryHeaderProblem[] {
  const first = new Map<string, string>();
  return names.flatMap((name) => {
    const lower = name.toLowerCase();
    const before = first.get(lower);
    if (before === undefined) {
      first.set(lower, name);
      return [];
    }
    const message = `is the same header as ${JSON.stringify(before)}: names have no case; give it once`;
    return [{ name, message }];
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
