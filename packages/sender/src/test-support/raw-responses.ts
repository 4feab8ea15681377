import type { AttemptErrorCode, AttemptOutcome } from '@posthorn/domain';

export interface RawResponse {
  readonly name: string;
  readonly bytes: string | Buffer;
  /** What the endpoint does after the bytes; it keeps the connection unless said. */
  readonly then?: 'close' | 'reset';
  readonly status: AttemptOutcome['status'];
  readonly responseCode: number | null;
  readonly error: AttemptErrorCode | null;
  readonly body?: string;
  readonly headers?: Record<string, string>;
  /** Whether the next attempt may use the same connection. */
  readonly reused: boolean;
  /** Written in one piece only: the end of the exchange does not wait for the last byte. */
  readonly whole?: true;
}

type Rest = Partial<Pick<RawResponse, 'then' | 'body' | 'headers' | 'reused' | 'whole' | 'error'>>;

const crlf = (...lines: string[]) => lines.map((line) => `${line}\r\n`).join('');
const head = (...lines: string[]) => `${crlf(...lines)}\r\n`;
const ok = head('HTTP/1.1 200 OK', 'Content-Length: 2') + 'ok';
const unavailable = head('HTTP/1.1 503 Service Unavailable', 'Retry-After: 7', 'Content-Length: 4') + 'busy';

const delivered = (
  name: string,
  bytes: string | Buffer,
  responseCode: number,
  rest: Rest = {},
): RawResponse => ({
  name,
  bytes,
  status: 'delivered',
  responseCode,
  error: null,
  reused: true,
  ...rest,
});
const httpError = (
  name: string,
  bytes: string | Buffer,
  responseCode: number,
  rest: Rest = {},
): RawResponse => ({
  name,
  bytes,
  status: 'failed',
  responseCode,
  error: responseCode >= 300 && responseCode < 400 ? 'redirect_not_followed' : 'http_error',
  reused: true,
  ...rest,
});
const failed = (
  name: string,
  bytes: string | Buffer,
  error: AttemptErrorCode,
  responseCode: number | null = null,
  rest: Rest = {},
): RawResponse => ({ name, bytes, status: 'failed', responseCode, error, reused: false, ...rest });

const closes = { reused: false } as const;
const manyHeaders = (count: number, bytes: number) =>
  crlf(...Array.from({ length: count }, (_, i) => `X-${i}: ${'x'.repeat(bytes)}`));

/** Responses as they are met, byte for byte, with the outcome that a user would expect. */
export const rawResponses: readonly RawResponse[] = [
  // Interim responses (RFC 9110 section 15.2): any number, requested or not.
  delivered('a 100 before it', `${head('HTTP/1.1 100 Continue')}${ok}`, 200, { body: 'ok' }),
  delivered('five 100 before it', `${head('HTTP/1.1 100 Continue').repeat(5)}${ok}`, 200, { body: 'ok' }),
  httpError('a 100 before a 503', `${head('HTTP/1.1 100 Continue')}${unavailable}`, 503, {
    body: 'busy',
    headers: { 'retry-after': '7' },
  }),
  delivered('a 102 before it', `${head('HTTP/1.1 102 Processing')}${ok}`, 200),
  delivered(
    'a 103 with headers before it',
    `${head('HTTP/1.1 103 Early Hints', 'Link: </x>; rel=preload')}${ok}`,
    200,
    {
      headers: { 'content-length': '2' },
    },
  ),
  delivered(
    '100, 102, 103 and 199 before it',
    `${head('HTTP/1.1 100')}${head('HTTP/1.1 102 P')}${head('HTTP/1.1 103 E')}${head('HTTP/1.1 199 X')}${ok}`,
    200,
  ),
  delivered('a thousand 100 before it', `${head('HTTP/1.1 100 Continue').repeat(1_000)}${ok}`, 200, {
    whole: true,
  }),
  delivered('a 100 with bare LF before it', `HTTP/1.1 100 Continue\n\n${ok}`, 200),
  delivered('a 100 of HTTP/1.0 before it', `${head('HTTP/1.0 100 Continue')}${ok}`, 200),
  delivered(
    'a 100 with a length before it',
    `${head('HTTP/1.1 100 Continue', 'Content-Length: 0')}${ok}`,
    200,
  ),
  failed('a 100 and then the end', head('HTTP/1.1 100 Continue'), 'connection_closed', null, {
    then: 'close',
  }),
  failed(
    'interim responses without end',
    head('HTTP/1.1 102 Processing').repeat(5_000),
    'response_interim_only',
    null,
    {
      whole: true,
    },
  ),
  failed(
    'a 101 that was not requested',
    head('HTTP/1.1 101 Switching Protocols', 'Connection: Upgrade', 'Upgrade: websocket'),
    'response_upgrade',
    101,
  ),
  failed('a 101 without headers', head('HTTP/1.1 101 Switching Protocols'), 'response_upgrade', 101),
  delivered(
    'an offer to upgrade',
    head('HTTP/1.1 200 OK', 'Connection: Upgrade', 'Upgrade: h2,h2c', 'Content-Length: 2') + 'ok',
    200,
  ),

  // Status lines and codes.
  delivered('a status without a reason', head('HTTP/1.1 200 ', 'Content-Length: 0'), 200),
  delivered('a status without a reason and space', head('HTTP/1.1 200', 'Content-Length: 0'), 200),
  delivered(
    'a reason in ISO 8859-1',
    Buffer.from(head('HTTP/1.1 200 Tr\xe8s bien', 'Content-Length: 0'), 'latin1'),
    200,
  ),
  delivered('a reason of 8,000 bytes', head(`HTTP/1.1 200 ${'x'.repeat(8_000)}`, 'Content-Length: 0'), 200, {
    whole: true,
  }),
  delivered('a reason with a tab', head('HTTP/1.1 200 all\tright', 'Content-Length: 0'), 200),
  delivered('two spaces before the status', head('HTTP/1.1  200 OK', 'Content-Length: 0'), 200, closes),
  delivered('no space after the status', head('HTTP/1.1 200OK', 'Content-Length: 0'), 200, closes),
  delivered('lower case http', head('http/1.1 200 OK', 'Content-Length: 0'), 200, closes),
  delivered('HTTP/1.0', head('HTTP/1.0 200 OK', 'Content-Length: 2') + 'ok', 200, { ...closes, body: 'ok' }),
  delivered('HTTP/1.0 until the end', `${head('HTTP/1.0 200 OK')}until the end`, 200, {
    ...closes,
    then: 'close',
    body: 'until the end',
  }),
  delivered(
    'HTTP/1.0 with keep-alive',
    head('HTTP/1.0 200 OK', 'Connection: keep-alive', 'Content-Length: 0'),
    200,
    closes,
  ),
  delivered('HTTP/1.2', head('HTTP/1.2 200 OK', 'Content-Length: 0'), 200, closes),
  delivered('HTTP/2 in text', head('HTTP/2 200', 'Content-Length: 0'), 200, closes),
  httpError('HTTP/0.9 as a version', head('HTTP/0.9 404 Not Found', 'Content-Length: 0'), 404, closes),
  delivered('a blank line before it', `\r\n${ok}`, 200, { ...closes, whole: true }),
  httpError('status 099', head('HTTP/1.1 099 Odd', 'Content-Length: 2') + 'no', 99, {
    ...closes,
    body: 'no',
  }),
  httpError('status 000', head('HTTP/1.1 000 ', 'Content-Length: 0'), 0, closes),
  httpError('status 600', head('HTTP/1.1 600 Odd', 'Content-Length: 2') + 'no', 600, { body: 'no' }),
  httpError('status 999', head('HTTP/1.1 999 Request denied', 'Content-Length: 0'), 999),
  delivered('status 299', head('HTTP/1.1 299 ', 'Content-Length: 0'), 299),
  delivered('status 205 with a length of 0', head('HTTP/1.1 205 Reset Content', 'Content-Length: 0'), 205),
  delivered('status 207', head('HTTP/1.1 207 Multi-Status', 'Content-Length: 2') + 'ok', 207, { body: 'ok' }),
  httpError('status 300', head('HTTP/1.1 300 Multiple Choices', 'Content-Length: 0'), 300),
  httpError('status 418', head('HTTP/1.1 418 ', 'Content-Length: 0'), 418),
  failed(
    'a status of four digits',
    head('HTTP/1.1 2000 OK', 'Content-Length: 0'),
    'response_status_line_invalid',
  ),
  failed(
    'a status of two digits',
    head('HTTP/1.1 20 OK', 'Content-Length: 0'),
    'response_status_line_invalid',
  ),
  failed('a status in letters', head('HTTP/1.1 abc OK', 'Content-Length: 0'), 'response_status_line_invalid'),
  failed('a negative status', head('HTTP/1.1 -200 OK', 'Content-Length: 0'), 'response_status_line_invalid'),
  failed('no version', head('HTTP 200 OK', 'Content-Length: 0'), 'response_not_http'),
  failed('no status', head('HTTP/1.1', 'Content-Length: 0'), 'response_status_line_invalid'),
  failed(
    'a status line without end',
    `HTTP/1.1 200 ${'x'.repeat(100_000)}`,
    'response_status_line_invalid',
    null,
    { whole: true },
  ),

  // Other protocols.
  failed('ICY', head('ICY 200 OK', 'icy-name: radio'), 'response_not_http'),
  failed('SSH', 'SSH-2.0-OpenSSH_9.2\r\n', 'response_not_http'),
  failed('SMTP', '220 mail.example ESMTP\r\n', 'response_not_http'),
  failed('a page without a head (HTTP/0.9)', '<html><body>ok</body></html>', 'response_not_http', null, {
    then: 'close',
  }),
  failed('JSON without a head', '{"ok":true}', 'response_not_http', null, { then: 'close' }),
  failed('RTSP', head('RTSP/1.0 200 OK'), 'response_not_http'),
  failed('the preface of HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'response_http2_only', null, {
    whole: true,
  }),
  failed(
    'SETTINGS of HTTP/2',
    Buffer.from('000006040000000000000300000064', 'hex'),
    'response_http2_only',
    null,
    { whole: true },
  ),
  failed('an alert of TLS', Buffer.from('15030100020246', 'hex'), 'response_tls_expected', null, {
    then: 'close',
    whole: true,
  }),
  failed('zeros', Buffer.alloc(100), 'response_not_http'),

  // Heads.
  delivered('bare LF', 'HTTP/1.1 200 OK\nContent-Length: 2\n\nok', 200, {
    ...closes,
    body: 'ok',
    headers: { 'content-length': '2' },
  }),
  delivered('LF and CRLF mixed', 'HTTP/1.1 200 OK\r\nX-A: 1\nContent-Length: 2\r\n\nok', 200, {
    ...closes,
    body: 'ok',
  }),
  delivered(
    'a folded header',
    head('HTTP/1.1 200 OK', 'X-Long: one', '  two', '\tthree', 'Content-Length: 2') + 'ok',
    200,
    {
      ...closes,
      body: 'ok',
      headers: { 'x-long': 'one two three', 'content-length': '2' },
    },
  ),
  delivered('a space before a colon', head('HTTP/1.1 200 OK', 'X-A : 1', 'Content-Length : 2') + 'ok', 200, {
    ...closes,
    body: 'ok',
    headers: { 'x-a': '1', 'content-length': '2' },
  }),
  delivered('no space after a colon', head('HTTP/1.1 200 OK', 'X-A:1', 'Content-Length:2') + 'ok', 200, {
    body: 'ok',
  }),
  delivered(
    'ISO 8859-1 in a header',
    Buffer.from(head('HTTP/1.1 200 OK', 'X-A: \xe9', 'Content-Length: 0'), 'latin1'),
    200,
    {
      headers: { 'x-a': '\u00e9', 'content-length': '0' },
    },
  ),
  delivered('an empty header', head('HTTP/1.1 200 OK', 'X-A:', 'Content-Length: 2') + 'ok', 200, {
    headers: { 'x-a': '', 'content-length': '2' },
  }),
  delivered(
    'a line that is no header',
    head('HTTP/1.1 200 OK', 'what is this', 'Content-Length: 2') + 'ok',
    200,
    {
      ...closes,
      headers: { 'content-length': '2' },
    },
  ),
  delivered('a header without a name', head('HTTP/1.1 200 OK', ': 1', 'Content-Length: 2') + 'ok', 200, {
    ...closes,
    headers: { 'content-length': '2' },
  }),
  delivered(
    'a header name with a space',
    head('HTTP/1.1 200 OK', 'X A: 1', 'Content-Length: 2') + 'ok',
    200,
    {
      ...closes,
      headers: { 'content-length': '2' },
    },
  ),
  delivered('a NUL in a header', head('HTTP/1.1 200 OK', 'X-A: a\0b', 'Content-Length: 2') + 'ok', 200, {
    ...closes,
    headers: { 'x-a': 'a b', 'content-length': '2' },
  }),
  delivered(
    'a bare CR in a header',
    head('HTTP/1.1 200 OK', 'X-A: a\rX-B: b', 'Content-Length: 2') + 'ok',
    200,
    {
      ...closes,
      headers: { 'x-a': 'a X-B: b', 'content-length': '2' },
    },
  ),
  delivered('UTF-8 in a header', head('HTTP/1.1 200 OK', 'X-A: \u00e9', 'Content-Length: 2') + 'ok', 200, {
    headers: { 'x-a': '\u00e9', 'content-length': '2' },
  }),
  delivered(
    'the second status line that old gateways add',
    head('HTTP/1.1 200 OK', 'HTTP/1.1 200 OK', 'Content-Length: 2') + 'ok',
    200,
    closes,
  ),
  delivered('no header', `${head('HTTP/1.1 200 OK')}all of it`, 200, {
    ...closes,
    then: 'close',
    body: 'all of it',
  }),
  delivered('300 headers', `HTTP/1.1 200 OK\r\n${manyHeaders(300, 4)}Content-Length: 2\r\n\r\nok`, 200, {
    body: 'ok',
    whole: true,
  }),
  delivered(
    '40 KB of headers',
    `HTTP/1.1 200 OK\r\n${manyHeaders(40, 1_000)}Content-Length: 2\r\n\r\nok`,
    200,
    {
      ...closes,
      body: 'ok',
      whole: true,
    },
  ),
  delivered(
    '1 MB of headers',
    `HTTP/1.1 200 OK\r\n${manyHeaders(1_000, 1_000)}Content-Length: 2\r\n\r\nok`,
    200,
    {
      ...closes,
      whole: true,
    },
  ),
  delivered('100 KB of CR', `HTTP/1.1 200 OK\n${'\r'.repeat(100_000)}`, 200, { ...closes, whole: true }),
  delivered('CR CR LF', 'HTTP/1.1 200 OK\r\r\nContent-Length: 2\r\r\n\r\r\nok', 200, {
    ...closes,
    body: 'ok',
  }),
  delivered(
    '15,000 folded lines',
    `HTTP/1.1 200 OK\r\nX-A: 1\r\n${' a\r\n'.repeat(15_000)}Content-Length: 2\r\n\r\nok`,
    200,
    {
      ...closes,
      whole: true,
    },
  ),
  httpError(
    '1 MB in one header of a 503',
    `HTTP/1.1 503 X\r\nRetry-After: 7\r\nX-A: ${'x'.repeat(1_000_000)}\r\n\r\n`,
    503,
    {
      ...closes,
      headers: { 'retry-after': '7' },
      whole: true,
    },
  ),
  failed('a head that breaks off', 'HTTP/1.1 200 OK\r\nContent-Le', 'response_incomplete', 200, {
    then: 'close',
  }),
  failed('a status line that breaks off', 'HTTP/1.1 20', 'response_incomplete', null, { then: 'close' }),
  httpError('a 503 whose head breaks off', 'HTTP/1.1 503 X\r\nRetry-After: 7\r\nX-', 503, {
    ...closes,
    then: 'close',
  }),

  // Lengths (RFC 9112 section 6.3).
  delivered(
    'a length sent twice',
    head('HTTP/1.1 200 OK', 'Content-Length: 2', 'Content-Length: 2') + 'ok',
    200,
    { ...closes, body: 'ok' },
  ),
  delivered('a list of one length', head('HTTP/1.1 200 OK', 'Content-Length: 2, 2') + 'ok', 200, {
    ...closes,
    body: 'ok',
  }),
  delivered('a length with zeros before it', head('HTTP/1.1 200 OK', 'Content-Length: 0002') + 'ok', 200, {
    body: 'ok',
  }),
  failed(
    'two lengths',
    head('HTTP/1.1 200 OK', 'Content-Length: 2', 'Content-Length: 3') + 'okk',
    'response_length_invalid',
    200,
  ),
  failed(
    'a list of two lengths',
    head('HTTP/1.1 200 OK', 'Content-Length: 2, 3') + 'okk',
    'response_length_invalid',
    200,
  ),
  failed(
    'a negative length',
    head('HTTP/1.1 200 OK', 'Content-Length: -1') + 'ok',
    'response_length_invalid',
    200,
  ),
  failed(
    'a length with a plus',
    head('HTTP/1.1 200 OK', 'Content-Length: +2') + 'ok',
    'response_length_invalid',
    200,
  ),
  failed(
    'a length in hexadecimal',
    head('HTTP/1.1 200 OK', 'Content-Length: 0x2') + 'ok',
    'response_length_invalid',
    200,
  ),
  failed(
    'an empty length',
    head('HTTP/1.1 200 OK', 'Content-Length:') + 'ok',
    'response_length_invalid',
    200,
  ),
  failed(
    'a length in words',
    head('HTTP/1.1 200 OK', 'Content-Length: two') + 'ok',
    'response_length_invalid',
    200,
  ),
  httpError(
    'a 503 with two lengths',
    head('HTTP/1.1 503 X', 'Content-Length: 2', 'Content-Length: 3') + 'okk',
    503,
    closes,
  ),
  failed(
    'a length beyond all numbers, and the end',
    head('HTTP/1.1 200 OK', `Content-Length: ${'9'.repeat(30)}`) + 'ok',
    'response_incomplete',
    200,
    {
      then: 'close',
      body: 'ok',
    },
  ),
  failed(
    'a body shorter than its length',
    head('HTTP/1.1 200 OK', 'Content-Length: 9') + 'part',
    'response_incomplete',
    200,
    {
      then: 'close',
      body: 'part',
    },
  ),
  failed(
    'a body shorter than its length, reset',
    head('HTTP/1.1 200 OK', 'Content-Length: 9') + 'part',
    'response_incomplete',
    200,
    {
      then: 'reset',
      whole: true,
    },
  ),
  failed(
    'a closing body shorter than its length',
    head('HTTP/1.1 200 OK', 'Connection: close', 'Content-Length: 9') + 'part',
    'response_incomplete',
    200,
    {
      then: 'close',
      body: 'part',
    },
  ),
  httpError(
    'a 500 with a body shorter than its length',
    head('HTTP/1.1 500 X', 'Content-Length: 9') + 'part',
    500,
    {
      ...closes,
      then: 'close',
      body: 'part',
    },
  ),
  delivered(
    'a length that ends before the body does',
    head('HTTP/1.1 200 OK', 'Content-Length: 2') + 'okay',
    200,
    {
      ...closes,
      body: 'ok',
      whole: true,
    },
  ),
  delivered('a length of 0 before a body', head('HTTP/1.1 200 OK', 'Content-Length: 0') + 'ok', 200, {
    ...closes,
    whole: true,
  }),
  delivered('204 with a body', head('HTTP/1.1 204 No Content', 'Content-Length: 2') + 'ok', 204, {
    ...closes,
    whole: true,
  }),
  delivered(
    '204 with a length and no body',
    head('HTTP/1.1 204 No Content', 'Content-Length: 2'),
    204,
    closes,
  ),
  delivered(
    '204 in chunked encoding',
    head('HTTP/1.1 204 No Content', 'Transfer-Encoding: chunked') + '0\r\n\r\n',
    204,
    {
      ...closes,
      whole: true,
    },
  ),
  delivered('204 with bare LF', 'HTTP/1.1 204 No Content\n\n', 204, closes),
  delivered('204', head('HTTP/1.1 204 No Content'), 204),
  httpError('304 with a length', head('HTTP/1.1 304 Not Modified', 'Content-Length: 9'), 304, closes),
  httpError('304', head('HTTP/1.1 304 Not Modified'), 304),

  // Transfer-Encoding.
  delivered('chunks', head('HTTP/1.1 200 OK', 'Transfer-Encoding: chunked') + '2\r\nok\r\n0\r\n\r\n', 200, {
    body: 'ok',
  }),
  delivered(
    'chunks with extensions',
    head('HTTP/1.1 200 OK', 'Transfer-Encoding: chunked') + '2;a=b;c="d"\r\nok\r\n0;e\r\n\r\n',
    200,
    { body: 'ok' },
  ),
  delivered(
    'chunks with trailers',
    head('HTTP/1.1 200 OK', 'Transfer-Encoding: chunked', 'Trailer: X-Sum') +
      '2\r\nok\r\n0\r\nX-Sum: 1\r\n\r\n',
    200,
    {
      body: 'ok',
      headers: { 'transfer-encoding': 'chunked', trailer: 'X-Sum' },
    },
  ),
  delivered(
    'chunks with zeros in the size',
    head('HTTP/1.1 200 OK', 'Transfer-Encoding: chunked') + '0002\r\nok\r\n000\r\n\r\n',
    200,
    { body: 'ok' },
  ),
  delivered(
    'chunks and a length',
    head('HTTP/1.1 200 OK', 'Content-Length: 12', 'Transfer-Encoding: chunked') + '2\r\nok\r\n0\r\n\r\n',
    200,
    {
      ...closes,
      body: 'ok',
    },
  ),
  delivered(
    'chunks sent twice in the head',
    head('HTTP/1.1 200 OK', 'Transfer-Encoding: gzip', 'Transfer-Encoding: chunked') + '2\r\nok\r\n0\r\n\r\n',
    200,
    {
      ...closes,
      body: 'ok',
    },
  ),
  delivered(
    'chunks in capitals',
    head('HTTP/1.1 200 OK', 'TRANSFER-ENCODING: CHUNKED') + '2\r\nok\r\n0\r\n\r\n',
    200,
    { body: 'ok' },
  ),
  delivered(
    'chunks of HTTP/1.0',
    head('HTTP/1.0 200 OK', 'Transfer-Encoding: chunked') + '2\r\nok\r\n0\r\n\r\n',
    200,
    { ...closes, body: 'ok' },
  ),
  delivered(
    'identity and a length',
    head('HTTP/1.1 200 OK', 'Transfer-Encoding: identity', 'Content-Length: 2') + 'ok',
    200,
    { ...closes, body: 'ok' },
  ),
  delivered('a coding until the end', head('HTTP/1.1 200 OK', 'Transfer-Encoding: gzip') + 'ok', 200, {
    ...closes,
    then: 'close',
    body: 'ok',
  }),
  failed(
    'chunks inside of chunks',
    head('HTTP/1.1 200 OK', 'Transfer-Encoding: chunked, chunked') + '2\r\nok\r\n0\r\n\r\n',
    'response_transfer_encoding_invalid',
    200,
  ),
  failed(
    'chunks that are not last',
    head('HTTP/1.1 200 OK', 'Transfer-Encoding: chunked, gzip') + '2\r\nok\r\n0\r\n\r\n',
    'response_transfer_encoding_invalid',
    200,
  ),
  failed(
    'a chunk size that is no number',
    head('HTTP/1.1 200 OK', 'Transfer-Encoding: chunked') + 'zz\r\nok\r\n',
    'response_chunk_invalid',
    200,
  ),
  failed(
    'a chunk longer than its size',
    head('HTTP/1.1 200 OK', 'Transfer-Encoding: chunked') + '2\r\nokay\r\n0\r\n\r\n',
    'response_chunk_invalid',
    200,
  ),
  failed(
    'a chunk size beyond all numbers',
    head('HTTP/1.1 200 OK', 'Transfer-Encoding: chunked') + `${'f'.repeat(20)}\r\nok`,
    'response_chunk_invalid',
    200,
  ),
  failed(
    'chunks of one byte with much beside them',
    head('HTTP/1.1 200 OK', 'Transfer-Encoding: chunked') + `1;e=${'x'.repeat(30_000)}\r\na\r\n`.repeat(20),
    'response_chunk_invalid',
    200,
    {
      whole: true,
    },
  ),
  delivered(
    'a body of the stored length in chunks of one byte',
    head('HTTP/1.1 200 OK', 'Transfer-Encoding: chunked') + '1\r\na\r\n'.repeat(16_384) + '0\r\n\r\n',
    200,
    {
      whole: true,
      body: 'a'.repeat(16_384),
    },
  ),
  failed(
    'chunks without the last one',
    head('HTTP/1.1 200 OK', 'Transfer-Encoding: chunked') + '2\r\nok\r\n',
    'response_incomplete',
    200,
    {
      then: 'close',
      body: 'ok',
    },
  ),
  failed(
    'a chunk that breaks off',
    head('HTTP/1.1 200 OK', 'Transfer-Encoding: chunked') + '9\r\npart',
    'response_incomplete',
    200,
    {
      then: 'close',
      body: 'part',
    },
  ),
  failed(
    'closing chunks without the last one',
    head('HTTP/1.1 200 OK', 'Connection: close', 'Transfer-Encoding: chunked') + '2\r\nok\r\n',
    'response_incomplete',
    200,
    { then: 'close', body: 'ok' },
  ),
  failed(
    'a body where chunks were announced',
    head('HTTP/1.1 200 OK', 'Transfer-Encoding: chunked') + '<html>',
    'response_chunk_invalid',
    200,
  ),
  failed(
    'trailers that are not headers',
    head('HTTP/1.1 200 OK', 'Transfer-Encoding: chunked') + '2\r\nok\r\n0\r\nno trailer\r\n\r\n',
    'response_chunk_invalid',
    200,
    { body: 'ok' },
  ),

  // The end of the connection.
  failed('nothing, and the end', '', 'connection_closed', null, { then: 'close' }),
  failed('nothing, and a reset', '', 'connection_reset', null, { then: 'reset' }),
  delivered('an answer and the end', ok, 200, { ...closes, then: 'close', body: 'ok' }),
  delivered(
    'an answer that closes',
    head('HTTP/1.1 200 OK', 'Connection: close', 'Content-Length: 2') + 'ok',
    200,
    { ...closes, body: 'ok' },
  ),
  httpError('a body until the end of a 500', `${head('HTTP/1.1 500 X')}why`, 500, {
    ...closes,
    then: 'close',
    body: 'why',
  }),
  delivered(
    'an answer whose keep-alive is over',
    head('HTTP/1.1 200 OK', 'Keep-Alive: timeout=0', 'Content-Length: 2') + 'ok',
    200,
    closes,
  ),
  delivered('a second answer after it', ok + unavailable, 200, { ...closes, body: 'ok', whole: true }),
  delivered('a success after a failure is not its outcome', ok + ok, 200, { ...closes, whole: true }),
  httpError('a 500 before a smuggled 200', head('HTTP/1.1 500 X', 'Content-Length: 0') + ok, 500, {
    ...closes,
    whole: true,
  }),
  delivered('garbage after it', `${ok}\0\0\0garbage`, 200, { ...closes, body: 'ok', whole: true }),
  delivered('blank lines after it', `${ok}\r\n\r\n`, 200, { body: 'ok', whole: true }),
];
