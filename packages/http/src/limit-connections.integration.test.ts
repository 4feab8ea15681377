import { afterEach, describe, expect, it } from '@jest/globals';
import { startChildScript, waitUntil } from '@posthorn/testing';
import http from 'node:http';
import net from 'node:net';

import { createHttpServer, type HttpServer } from './http-server.js';

let server: HttpServer | undefined;
let held: http.ServerResponse[] = [];
const sockets: net.Socket[] = [];

afterEach(async () => {
  for (const response of held.splice(0)) response.end();
  for (const socket of sockets.splice(0)) socket.destroy();
  await server?.close({ deadlineMs: 0 });
  server = undefined;
});

async function start(connectionsMax: number, connectionUnusedMs: number): Promise<void> {
  held = [];
  server = await createHttpServer({
    handler: (request, response) => {
      if (request.url === '/hold') held.push(response);
      else response.end('ok');
    },
    host: '127.0.0.1',
    port: 0,
    connectionsMax,
    connectionUnusedMs,
  });
}
async function connect(port = server!.port): Promise<net.Socket> {
  const socket = net.connect(port, '127.0.0.1');
  sockets.push(socket);
  socket.on('error', () => undefined).resume();
  await new Promise((resolve) => socket.once('connect', resolve));
  return socket;
}
/** Status and body of an answer over a new connection, or the error's code. */
function ask(path: string, port = server!.port): Promise<[number | string, string]> {
  return new Promise((resolve) => {
    const sent = http.get({ host: '127.0.0.1', port, path, agent: false }, (response) => {
      let body = '';
      response.setEncoding('utf8').on('data', (chunk: string) => (body += chunk));
      response.once('end', () => resolve([response.statusCode ?? 0, body]));
    });
    sent.once('error', (error: NodeJS.ErrnoException) => resolve([error.code ?? '', '']));
  });
}
const raw = (path: string) => `GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`;

describe('at the limit of connections', () => {
  it('silent ones make room: those that come later are served, not reset until the silent time out', async () => {
    await start(1_000, 1_000);
    for (let opened = 0; opened < 1_250; opened += 250) {
      await Promise.all(Array.from({ length: 250 }, () => connect()));
    }
    // Health checks at once, everything else as soon as a connection has been silent for a second.
    expect(await ask('/health')).toEqual([200, 'ok']);
    await waitUntil(async () => (await ask('/'))[0] === 200);
    for (let i = 0; i < 50; i++) expect(await ask('/')).toEqual([200, 'ok']);
    await waitUntil(() => sockets.filter((socket) => !socket.closed).length <= 1_000);
  });

  it('the longest silent one goes first, then the longest idle one, and none with a request', async () => {
    await start(4, 0);
    const busy = await connect();
    busy.write(raw('/hold'));
    await waitUntil(() => held.length === 1);
    const idle = await connect();
    idle.write(raw('/'));
    await new Promise((resolve) => idle.once('data', resolve));
    const halfHead = await connect();
    halfHead.write('GET / HTTP/1.1\r\n');
    const silent = await connect();
    const gone = () => [halfHead, silent, idle, busy].filter((socket) => socket.closed);
    for (const expected of [[halfHead], [halfHead, silent], [halfHead, silent, idle]]) {
      const next = await connect();
      next.write(raw('/hold'));
      await waitUntil(() => gone().length === expected.length);
      expect(gone()).toEqual(expected);
    }
    await waitUntil(() => held.length === 4);
    expect((await ask('/'))[0]).toBe(503);
    expect(busy.closed).toBe(false);
  });

  it('connections in use stay; health checks are answered as ever, everything else 503', async () => {
    await start(10, 0);
    for (let i = 0; i < 10; i++) (await connect()).write(raw('/hold'));
    await waitUntil(() => held.length === 10);
    const [status, body] = await ask('/v1/events');
    expect(status).toBe(503);
    expect(JSON.parse(body)).toMatchObject({ status: 503, code: 'unavailable' });
    for (const path of ['/health', '/ready']) expect(await ask(path)).toEqual([200, 'ok']);
    // More silent ones than are let in beyond the limit: each is answered, and none of them is in a health check's way.
    for (let i = 0; i < 100; i++) await connect();
    expect(await ask('/health')).toEqual([200, 'ok']);
    expect(sockets.slice(0, 10).every((socket) => !socket.closed)).toBe(true);
    await waitUntil(() => sockets.slice(10).filter((socket) => !socket.closed).length <= 10);
    held[0]!.end();
    await waitUntil(async () => (await ask('/'))[0] === 200);
  });

  it('which is lower where the system grants few open files, those that come later are served all the same', async () => {
    const source = JSON.stringify(new URL('./http-server.ts', import.meta.url).href);
    const script = startChildScript(
      `const { createHttpServer } = await import(${source});
       const logger = { warn: (what, fields) => console.log(JSON.stringify({ what, ...fields })) };
       const server = await createHttpServer({
         handler: (_request, response) => response.end('ok'),
         host: '127.0.0.1', port: 0, connectionUnusedMs: 0, logger,
       });
       console.log(server.port);`,
      { openFilesMax: 300 },
    );
    expect(JSON.parse(await script.nextLine())).toEqual({
      what: 'http.connections_reduced',
      connections_max: 150,
      open_files_max: 300,
    });
    const port = Number(await script.nextLine());
    await Promise.all(Array.from({ length: 400 }, () => connect(port)));
    for (let i = 0; i < 20; i++) expect(await ask('/', port)).toEqual([200, 'ok']);
    await script.kill('SIGKILL');
  });

  it('what finds no room is answered 503 before it is closed, also when it has sent nothing', async () => {
    await start(10, 60_000);
    for (let i = 0; i < 10; i++) await connect();
    let received = '';
    const first = net.connect(server!.port, '127.0.0.1');
    sockets.push(first);
    first.on('data', (chunk) => (received += chunk.toString()));
    await new Promise((resolve) => first.once('connect', resolve));
    for (let i = 0; i < 10; i++) await connect();
    await waitUntil(() => first.closed);
    expect(received).toMatch(/^HTTP\/1.1 503 .*Retry-After: 1\r\n.*Connection: close\r\n.*"unavailable"/s);
  });

  it('a burst of requests beyond it is answered, 503 or as ever, and none is reset', async () => {
    await start(50, 0);
    const first = Array.from({ length: 50 }, () => ask('/hold'));
    await waitUntil(() => held.length === 50);
    const more = Array.from({ length: 20 }, () => ask('/'));
    const answers = await Promise.all(more);
    expect(new Set(answers.map(([status]) => status))).toEqual(new Set([503]));
    for (const response of held.splice(0)) response.end('held');
    for (const answer of await Promise.all(first)) expect(answer).toEqual([200, 'held']);
  });
});
