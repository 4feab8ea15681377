import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { createTestDatabase, testRedis, waitUntil, type TestDatabase } from '@posthorn/testing';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';

const root = path.resolve(import.meta.dirname, '../../..');
const main = path.join(root, 'apps/cli/src/main.ts');
const typescript = path.join(root, 'scripts/typescript-source.mjs');
const redis = testRedis();
let database: TestDatabase;
let folder: string;
const children: ChildProcess[] = [];

beforeAll(async () => {
  database = await createTestDatabase();
  folder = await mkdtemp(path.join(tmpdir(), 'posthorn-readme-'));
});
afterAll(async () => {
  for (const child of children) {
    if (child.exitCode !== null) continue;
    child.kill('SIGTERM');
    await once(child, 'exit');
  }
  await rm(folder, { recursive: true, force: true });
  await redis.drop();
  await database.drop();
});

describe('The first event of the README', () => {
  it('reaches the receiver of the README, which verifies it', async () => {
    const readme = await readFile(path.join(root, 'README.md'), 'utf8');
    const baseUrl = await startDev();
    const receiverPort = await freePort();
    const block = (name: string): string =>
      blockOf(readme, name)
        .replace('http://127.0.0.1:8080', baseUrl)
        .replaceAll(/3000\b/g, String(receiverPort));

    const customer = await shell(block('customer'));
    const secret = /"secret":"(whsec_[^"]+)"/.exec(customer)?.[1] ?? '';
    await symlink(path.join(root, 'node_modules'), path.join(folder, 'node_modules'));
    await writeFile(path.join(folder, 'receiver.mjs'), block('receiver'));
    const receiver = start('receiver.mjs', [], { SECRET: secret });
    await waitUntil(() => connects(receiverPort));

    const assignments = block('customer')
      .split('\n')
      .filter((line) => /^[A-Z]+=/.test(line));
    const event = await shell([...assignments, block('event')].join('\n'));
    expect(JSON.parse(event)).toMatchObject({ type: 'invoice.paid', deliveries: 1 });
    await waitUntil(() => receiver.output().includes('received invoice.paid'));
    expect(receiver.output()).toContain('{ invoice: 1001, total: 12.5 }');

    const listed = start('--import', [typescript, main, 'deliveries', 'list', '--customer', 'acme'], {});
    await waitUntil(() => listed.process.exitCode !== null);
    expect(listed.output()).toMatch(/invoice\.paid/);
  });
});

async function startDev(): Promise<string> {
  const dev = start('--import', [typescript, main, 'dev'], {
    POSTHORN_PORT: '0',
    DATABASE_URL: database.url,
    REDIS_URL: redis.url,
    POSTHORN_QUEUE_PREFIX: redis.prefix,
  });
  await waitUntil(
    () => {
      if (dev.process.exitCode !== null) throw new Error(dev.output());
      return dev.output().includes('Demo delivery');
    },
    { timeoutMs: 25_000 },
  );
  return /Base URL +(\S+)/.exec(dev.output())?.[1] ?? '';
}

function start(first: string, args: string[], env: Record<string, string>) {
  const child = spawn(process.execPath, [first, ...args], {
    cwd: folder,
    env: { PATH: process.env['PATH'], ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  children.push(child);
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (output += chunk.toString()));
  return { process: child, output: () => output };
}

function blockOf(readme: string, name: string): string {
  const found = new RegExp(`<!-- test: ${name} -->\\s+\`\`\`\\w+\\n([\\s\\S]*?)\`\`\``).exec(readme)?.[1];
  if (found === undefined) throw new Error(`The README has no block ${name}`);
  return found;
}

/** Runs it in the data folder's parent, as the reader does, with a curl that is there on every machine with Node. */
async function shell(script: string): Promise<string> {
  const bin = path.join(folder, 'bin');
  await mkdir(bin, { recursive: true });
  await writeFile(path.join(bin, 'curl'), `#!${process.execPath}\n${curl}`);
  await chmod(path.join(bin, 'curl'), 0o755);
  const env = { PATH: `${bin}:${process.env['PATH'] ?? ''}` };
  const { stdout } = await promisify(execFile)('sh', ['-euc', script], { cwd: folder, env });
  return stdout;
}

/** As far as the README needs it: -X, -H, -d and the URL. */
const curl = `
const args = process.argv.slice(2);
const headers = {};
let method, body, url;
while (args.length > 0) {
  const next = args.shift();
  if (next === '-X') method = args.shift();
  else if (next === '-H') { const [name, value] = args.shift().split(/: */); headers[name] = value; }
  else if (next === '-d') body = args.shift();
  else url = next;
}
fetch(url, { method: method ?? (body ? 'POST' : 'GET'), headers, body }).then(async (response) => console.log(await response.text()));
`;

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

function connects(port: number): Promise<boolean> {
  return fetch(`http://127.0.0.1:${port}`).then(
    () => true,
    () => false,
  );
}
