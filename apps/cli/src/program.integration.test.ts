import { execFile } from 'node:child_process';
import { createServer, type Server } from 'node:http';
import { mkdtemp, rm } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';

const main = path.join(import.meta.dirname, 'main.ts');
const typescript = path.resolve(import.meta.dirname, '../../../scripts/typescript-source.mjs');
const key = ['--key', `phk_${'a'.repeat(20)}`];
let folder: string;
let server: Server;
let origin: string;

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'posthorn-program-'));
  server = createServer((_, response) => response.end('hello'));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  origin = `127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(async () => {
  await new Promise((resolve) => server.close(resolve));
  await rm(folder, { recursive: true, force: true });
});

/** In an empty folder, with nothing in the environment. */
function posthorn(...args: string[]): Promise<{ code: number; complaint: string[] }> {
  return new Promise((resolve) => {
    const all = ['--import', typescript, main, ...args];
    const child = execFile(process.execPath, all, { cwd: folder, env: {} }, (_error, _stdout, stderr) => {
      resolve({ code: child.exitCode ?? -1, complaint: stderr.trim().split('\n') });
    });
  });
}

describe('The command line', () => {
  it('names an option it does not know before one that is missing', async () => {
    const { code, complaint } = await posthorn('keys', 'create', '--scope', 'read');
    expect(code).toBe(1);
    expect(complaint.slice(0, 2)).toEqual(["error: unknown option '--scope'", '(Did you mean --scopes?)']);
  });

  it.each([
    [['keys', 'create'], '--scopes <scopes>'],
    [['events', 'send', 'invoice.paid'], '--customer <id>'],
    [['replays', 'start'], '--customer <id>'],
  ])('names what is missing: %j', async (args, option) => {
    const { code, complaint } = await posthorn(...args);
    expect(code).toBe(1);
    expect(complaint[0]).toBe(`error: required option '${option}' not specified`);
  });

  it('says in one line that no Posthorn runs in this folder, and what to do', async () => {
    expect(await posthorn('keys', 'create', '--scopes', 'read')).toEqual({
      code: 1,
      complaint: [
        'No Posthorn runs in the data folder .posthorn: start it there (npm start), or set --url and --key.',
      ],
    });
  });

  it('says in one line that nothing listens where it was sent', async () => {
    expect(await posthorn('keys', 'list', '--url', 'http://127.0.0.1:1', ...key)).toEqual({
      code: 1,
      complaint: [
        'Nothing listens at http://127.0.0.1:1: start Posthorn (npm start), or set another address with --url or POSTHORN_URL.',
      ],
    });
  });

  it('says in one line that a port does not speak https', async () => {
    expect(await posthorn('keys', 'list', '--url', `https://${origin}`, ...key)).toEqual({
      code: 1,
      complaint: [`What listens at https://${origin} does not speak https; is it http://${origin}?`],
    });
  });
});
