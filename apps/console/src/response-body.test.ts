import zlib from 'node:zlib';
import { describe, expect, it } from '@jest/globals';
import { readResponseBody } from './response-body.js';

const text = 'größer 値';
const utf8 = Buffer.from(text);
const latin1 = Buffer.from('größer', 'latin1');
const binary = Buffer.from(Array.from({ length: 256 }, (_, i) => i));
const png = Buffer.from('89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c489', 'hex');
const bomb = zlib.gzipSync(Buffer.alloc(64 * 1024 * 1024, 'a'));
const long = Buffer.from(Array.from({ length: 3_000 }, (_, i) => `line ${i} ${i * 7919}\n`).join(''));

const read = (body: Buffer, contentType?: string, encoding?: string) =>
  readResponseBody(body, {
    ...(contentType !== undefined && { 'content-type': contentType }),
    ...(encoding !== undefined && { 'content-encoding': encoding }),
  });

describe('a response body is read as text', () => {
  const rows: [what: string, expected: string, body: Buffer, type?: string, encoding?: string][] = [
    ['in UTF-8', text, utf8],
    ['in UTF-8 as JSON', text, utf8, 'application/json'],
    [
      'in UTF-8 with a byte order mark',
      text,
      Buffer.concat([Buffer.from('efbbbf', 'hex'), utf8]),
      'text/plain; charset=latin1',
    ],
    ['in UTF-8 that is cut in a character', 'größer ', utf8.subarray(0, utf8.length - 1)],
    ['in UTF-8 of a binary type', 'plain', Buffer.from('plain'), 'application/octet-stream'],
    ['in ISO 8859-1', 'größer', latin1, 'text/html; charset=ISO-8859-1'],
    ['in ISO 8859-1 that does not say so', 'größer', latin1, 'text/html'],
    ['in windows-1251', 'привет', Buffer.from('eff0e8e2e5f2', 'hex'), 'text/plain; charset="windows-1251"'],
    ['in windows-1252', '“ok”', Buffer.from([0x93, 0x6f, 0x6b, 0x94]), 'text/plain;charset=windows-1252'],
    ['in Shift_JIS', 'プログ', Buffer.from('8376838d834f', 'hex'), 'text/html; Charset=Shift_JIS'],
    ['in GBK', '你好', Buffer.from('c4e3bac3', 'hex'), 'text/html; charset=gbk'],
    [
      'in UTF-16 with a mark',
      'ok値',
      Buffer.concat([Buffer.from('fffe', 'hex'), Buffer.from('ok値', 'utf16le')]),
    ],
    ['in UTF-16', 'ok値', Buffer.from('ok値', 'utf16le'), 'text/plain; charset=utf-16'],
    [
      'in the charset that a page declares',
      '<meta charset="windows-1251">п',
      Buffer.from('<meta charset="windows-1251">\xef', 'latin1'),
      'text/html',
    ],
    [
      'in the charset that a document declares',
      '<?xml version="1.0" encoding="ISO-8859-15"?>€',
      Buffer.from('<?xml version="1.0" encoding="ISO-8859-15"?>\xa4', 'latin1'),
      'text/xml',
    ],
    ['from gzip', text, zlib.gzipSync(utf8), 'text/plain', 'gzip'],
    ['from x-gzip in capitals', text, zlib.gzipSync(utf8), 'text/plain', 'X-GZIP'],
    ['from deflate', text, zlib.deflateSync(utf8), 'text/plain', 'deflate'],
    ['from deflate without its header', text, zlib.deflateRawSync(utf8), 'text/plain', 'deflate'],
    ['from br', text, zlib.brotliCompressSync(utf8), 'text/plain', 'br'],
    ['from gzip in br', text, zlib.brotliCompressSync(zlib.gzipSync(utf8)), 'text/plain', 'gzip, br'],
    ['from gzip in ISO 8859-1', 'größer', zlib.gzipSync(latin1), 'text/plain; charset=iso-8859-1', 'gzip'],
    ['as it came where it says gzip and is not', text, utf8, 'text/plain', 'gzip'],
    ['with identity', text, utf8, 'text/plain', 'identity'],
    ['with a charset that is not known', text, utf8, 'text/plain; charset=klingon'],
    ['empty', '', Buffer.alloc(0), 'image/png', 'gzip'],
  ];
  it.each(rows.map((row) => [row[0], row] as const))(
    '%s',
    async (_what, [, expected, body, type, encoding]) => {
      expect(await read(body, type, encoding)).toMatchObject({ kind: 'text', text: expected });
    },
  );

  it('as far as a compressed body goes that was cut', async () => {
    for (const [encoding, compressed] of [
      ['gzip', zlib.gzipSync(long)],
      ['deflate', zlib.deflateSync(long)],
      ['br', zlib.brotliCompressSync(long)],
    ] as const) {
      const { kind, text: beginning } = await read(compressed.subarray(0, 4_000), 'text/plain', encoding);
      expect(kind).toBe('text');
      expect(beginning.length).toBeGreaterThan(1_000);
      expect(long.toString().startsWith(beginning)).toBe(true);
    }
  });

  it.each([
    ['gzip', zlib.gzipSync('')],
    ['deflate', zlib.deflateSync('')],
    ['br', zlib.brotliCompressSync('')],
  ])('of nothing where %s holds nothing', async (encoding, compressed) => {
    expect(await read(compressed, 'text/plain', encoding)).toEqual({
      kind: 'text',
      text: '',
      note: `Decompressed from ${encoding}.`,
      cut: false,
    });
  });

  it.each(['gzip', 'deflate', 'br'])('as it came where it says %s and is a short text', async (encoding) => {
    for (const plain of ['ok', 'h', 'hello there', '{"ok":true}', 'success']) {
      expect(await read(Buffer.from(plain), 'text/plain', encoding)).toMatchObject({
        kind: 'text',
        text: plain,
        note: `Sent as ${encoding}, but it is not.`,
      });
    }
  });

  it('from a transfer coding too', async () => {
    const headers = { 'transfer-encoding': 'gzip, chunked', 'content-type': 'text/plain' };
    expect(await readResponseBody(zlib.gzipSync(utf8), headers)).toMatchObject({ text });
  });

  it.each([
    ['gzip', bomb],
    ['deflate', zlib.deflateSync(Buffer.alloc(64 * 1024 * 1024, 'a'))],
    [
      'br',
      zlib.brotliCompressSync(Buffer.alloc(64 * 1024 * 1024, 'a'), {
        params: { [zlib.constants.BROTLI_PARAM_QUALITY]: 1 },
      }),
    ],
    ['gzip, gzip', zlib.gzipSync(bomb)],
  ])('from a bomb in %s to 16 KiB and no further', async (encoding, body) => {
    const found = await read(body, 'text/plain', encoding);
    expect(found.text.length).toBeLessThanOrEqual(16_384);
    expect(found.cut || found.text === '').toBe(true);
  });
});

describe('a response body is said to be binary', () => {
  const rows: [what: string, note: string, body: Buffer, type?: string, encoding?: string][] = [
    ['all bytes', 'Binary (no type given), 256 bytes.', binary],
    ['an image', 'Binary (image/png), 33 bytes.', png, 'image/png'],
    ['an image that says it is text', 'Binary (text/plain), 33 bytes.', png, 'text/plain; charset=utf-8'],
    ['a NUL in text', 'Binary (text/plain), 3 bytes.', Buffer.from('a\0b'), 'text/plain'],
    [
      'bytes of a binary type',
      'Binary (application/octet-stream), 3 bytes.',
      Buffer.from([0xe9, 0xe8, 0xea]),
      'application/octet-stream',
    ],
    [
      'gzip that it does not say',
      `Binary (text/plain), ${zlib.gzipSync(utf8).length} bytes.`,
      zlib.gzipSync(utf8),
      'text/plain',
    ],
    [
      'an image in gzip',
      'Decompressed from gzip. Binary (image/png), 33 bytes.',
      zlib.gzipSync(png),
      'image/png',
      'gzip',
    ],
    [
      'an unknown coding',
      'Compressed ("compress") and not readable here, 3 bytes.',
      Buffer.from('abc'),
      'text/plain',
      'compress',
    ],
  ];
  it.each(rows.map((row) => [row[0], row] as const))('%s', async (_what, [, note, body, type, encoding]) => {
    expect(await read(body, type, encoding)).toMatchObject({ kind: 'binary', text: '', note });
  });

  it('is said to be compressed when it has more codings than are taken off', async () => {
    let body: Buffer = utf8;
    for (let i = 0; i < 4; i++) body = zlib.gzipSync(body);
    const found = await read(body, 'text/plain', 'gzip, gzip, gzip, gzip');
    expect(found).toMatchObject({ kind: 'binary', text: '' });
    expect(found.note).toContain('compressed further');
  });
});
