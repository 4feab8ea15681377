import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

import { answerParent } from '../frame/child-process.js';
import { createStallWatch } from './stall-watch.js';
import { receiverBehaviours, type Receipt, type ReceiverBehaviour } from './receivers.js';

// All customers' endpoints in a process of their own, `/<behaviour>/<endpoint>`. After 'heal' every endpoint is
// healthy; 'report' is answered with every request it got.
const HUGE_BYTES = 2_000_000_000;
const CHUNK = Buffer.alloc(64 * 1024, 'x');
const receipts: Receipt[] = [];
const startedMs = Date.now();
const stalls = createStallWatch();
let healed = false;

const server = createServer((request, response) => {
  const [, path = '', endpoint = ''] = (request.url ?? '').split('/');
  const behaviour = healed ? 'healthy' : receiverBehaviours.find((known) => known === path);
  request.resume();
  request.once('end', () => {
    const webhookId = request.headers['webhook-id'];
    const nowMs = Date.now();
    const receipt: Receipt = {
      endpoint,
      webhookId: typeof webhookId === 'string' ? webhookId : '',
      arrivedAtMs: nowMs,
      waitingSinceMs: stalls.waitingSinceMs(nowMs),
      answeredAtMs: null,
    };
    receipts.push(receipt);
    answer(response, behaviour ?? 'healthy', receipt);
  });
});

function answer(response: ServerResponse, behaviour: ReceiverBehaviour, receipt: Receipt): void {
  const succeed = (): void => {
    response.once('finish', () => (receipt.answeredAtMs = Date.now()));
    response.end('ok');
  };
  switch (behaviour) {
    case 'healthy':
      succeed();
      return;
    case 'slow':
      setTimeout(succeed, 1_000);
      return;
    case 'resets':
      response.socket?.resetAndDestroy();
      return;
    case 'hangs':
      return;
    case 'drips': {
      response.writeHead(200);
      const timer = setInterval(() => response.write('.'), 1_000);
      response.once('close', () => clearInterval(timer));
      return;
    }
    case 'huge':
      response.writeHead(200, { 'content-length': HUGE_BYTES });
      // The excerpt is all that is read, so the status is the answer.
      receipt.answeredAtMs = Date.now();
      pour(response, HUGE_BYTES);
      return;
    case 'fails_then_heals':
      if (Math.floor((Date.now() - startedMs) / 15_000) % 2 === 1) succeed();
      else response.writeHead(500).end('down');
      return;
    case 'throttles':
      if (receipts.length % 2 === 0) succeed();
      else response.writeHead(429, { 'retry-after': '1' }).end();
  }
}

function pour(response: ServerResponse, bytes: number): void {
  let left = bytes;
  const write = (): void => {
    while (left > 0 && !response.destroyed) {
      const chunk = left < CHUNK.length ? CHUNK.subarray(0, left) : CHUNK;
      left -= chunk.length;
      if (!response.write(chunk)) {
        response.once('drain', write);
        return;
      }
    }
    if (!response.destroyed) response.end();
  };
  write();
}

function obey(message: unknown): Receipt[] | null {
  if (message === 'report') return receipts;
  if (message === 'heal') healed = true;
  return null;
}

server.keepAliveTimeout = 60_000;
server.listen(0, '127.0.0.1', () => {
  answerParent({ port: (server.address() as AddressInfo).port }, obey);
});
