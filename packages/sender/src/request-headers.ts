export type PreparedHeaders =
  { readonly ok: true; readonly list: string[] } | { readonly ok: false; readonly message: string };

/**
 * The header list as it is sent, in the caller's spelling, with defaults for what is missing. Refuses what could
 * smuggle another header or request into the connection, and the headers the connection itself owns.
 */
export function prepareRequestHeaders(
  headers: Readonly<Record<string, string>>,
  userAgent: string,
): PreparedHeaders {
  const list: string[] = [];
  let hasUserAgent = false;
  let hasContentType = false;
  for (const [name, value] of Object.entries(headers)) {
    const lowerName = name.toLowerCase();
    if (!fieldName.test(name) || ownedByConnection.has(lowerName)) {
      return { ok: false, message: `The request header name ${JSON.stringify(name)} is not allowed.` };
    }
    if (forbiddenInValue.test(value)) {
      return {
        ok: false,
        message: `The value of the request header "${name}" has characters not allowed there.`,
      };
    }
    hasUserAgent ||= lowerName === 'user-agent';
    hasContentType ||= lowerName === 'content-type';
    list.push(name, value);
  }
  if (!hasUserAgent) list.push('user-agent', userAgent);
  if (!hasContentType) list.push('content-type', 'application/json');
  return { ok: true, list };
}

/** RFC 9110 section 5.1: a token. */
const fieldName = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
/** RFC 9110 section 5.5. Above U+00FF a character would be cut to its low byte, which may be a line feed. */
const forbiddenInValue = /[^\t\x20-\x7e\x80-\xff]/;
const ownedByConnection = new Set([
  'host',
  'content-length',
  'transfer-encoding',
  'connection',
  'keep-alive',
  'proxy-connection',
  'proxy-authorization',
  'te',
  'trailer',
  'upgrade',
  'expect',
]);
