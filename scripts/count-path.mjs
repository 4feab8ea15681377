// Counts what one event passes through, from its request to its settled attempt (after a build):
//
//   node scripts/count-path.mjs [folder of a built checkout]
//
// Starts `dev` there with V8's coverage on, sends one event to a new endpoint whose lane is closed, and lists
// - files: those of `apps` and `packages` in which a function ran that does not run while nothing happens;
// - crossings: pairs of workspaces of which one of these files imports something of the second (`apps/cli`, which only
//   puts the roles together, left out);
// - record types: interfaces and object types of `apps` and `packages` that list three or more of a delivery's ids.
import { execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';

const deliveryIds = new Set(['id', 'customerId', 'deliveryId', 'eventId', 'endpointId', 'generation']);
const root = path.resolve(process.argv[2] ?? path.join(import.meta.dirname, '..'));
const folder = mkdtempSync(path.join(os.tmpdir(), 'posthorn-path-'));
const dev = spawn(
  process.execPath,
  [
    '--import',
    path.join(import.meta.dirname, 'count-calls.mjs'),
    path.join(root, 'apps/cli/dist/main.js'),
    'dev',
  ],
  {
    cwd: folder,
    env: { ...process.env, POSTHORN_PORT: '0', POSTHORN_DATA_DIR: path.join(folder, 'data') },
    stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
  },
);
let output = '';
dev.stdout.on('data', (chunk) => (output += chunk));
let onRequest;
const receiver = createServer((request, response) => {
  request.resume().on('end', () => response.writeHead(204).end());
  onRequest?.();
});

try {
  while (!output.includes('Demo delivery')) await sleep(100);
  const api = /Base URL +(\S+)/.exec(output)[1];
  const key = readFileSync(path.join(folder, 'data/admin-key'), 'utf8').trim();
  await new Promise((resolve) => receiver.listen(0, '127.0.0.1', resolve));
  const send = (method, route, body) =>
    globalThis
      .fetch(api + route, {
        method,
        headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
        body: body && JSON.stringify(body),
      })
      .then((response) => response.text());
  await send('PUT', '/v1/customers/acme');
  const url = `http://127.0.0.1:${receiver.address().port}/`;
  await send('POST', '/v1/customers/acme/endpoints', { url, eventTypes: ['*'] });
  const sendEvent = async () => {
    const received = new Promise((resolve) => (onRequest = resolve));
    await send('POST', '/v1/events', { customerId: 'acme', type: 'invoice.paid', data: {} });
    await received;
    await sleep(100);
  };
  await sendEvent();
  await sleep(15_000);
  await calls();
  await sleep(15_000);
  const idle = await calls();
  await sendEvent();
  const busy = await calls();
  report([...busy].filter((called) => !idle.has(called)));
} finally {
  dev.kill('SIGTERM');
  await new Promise((resolve) => dev.once('exit', resolve));
  receiver.close();
  rmSync(folder, { recursive: true, force: true });
}

/** The functions that were called since the last question. */
function calls() {
  dev.send('calls');
  return new Promise((resolve) => dev.once('message', (list) => resolve(new Set(list))));
}

function report(called) {
  const ofUrl = (entry) => path.relative(root, fileURLToPath(entry.split(' ')[0]));
  const built = new Set(called.map(ofUrl).filter((file) => /^(apps|packages)\/[^/]+\/dist\//.test(file)));
  const files = [...built].map((file) => file.replace('/dist/', '/src/').replace(/\.js$/, '.ts')).sort();
  const crossings = new Set();
  for (const file of files) {
    const workspace = file.split('/')[1];
    for (const [, other] of textOf(file).matchAll(/from '@posthorn\/([^/']+)/g))
      if (workspace !== 'cli' && other !== workspace) crossings.add(`${workspace} → ${other}`);
  }
  const records = sources().flatMap(recordsOf);
  console.log([...files, '', ...crossings, '', ...records, ''].join('\n'));
  console.log(`${files.length} files, ${crossings.size} crossings, ${records.length} record types`);
}

function sources() {
  const tracked = execFileSync('git', ['ls-files', 'apps/*.ts', 'packages/*.ts'], {
    cwd: root,
    encoding: 'utf8',
  });
  return tracked
    .split('\n')
    .filter(
      (file) =>
        file && !/test|generated|api-contract|embedded/.test(file) && existsSync(path.join(root, file)),
    );
}

function recordsOf(file) {
  const records = [];
  ts.createSourceFile(file, textOf(file), ts.ScriptTarget.ES2023).forEachChild(function visit(node) {
    if (ts.isInterfaceDeclaration(node) || ts.isTypeLiteralNode(node)) {
      const ids = node.members.map(({ name }) => name?.text).filter((name) => deliveryIds.has(name));
      const ofDelivery = ids.includes('deliveryId') || ids.includes('endpointId');
      if (ids.length >= 3 && ofDelivery) records.push(`${file}: ${node.name?.text ?? 'object type'}`);
    }
    node.forEachChild(visit);
  });
  return records;
}

function textOf(file) {
  return readFileSync(path.join(root, file), 'utf8');
}
