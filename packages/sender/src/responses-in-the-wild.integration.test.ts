import { createServer, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { createSender, type Sender } from './sender.js';
import { type RawResponse, rawResponses } from './test-support/raw-responses.js';
import { listen, post, type TestServer, until } from './test-support/servers.js';

let sender: Sender;
let receiver: TestServer;

beforeEach(() => {
  sender = createSender({ allowTargets: ['127.0.0.0/8'] });
});
afterEach(async () => {
  await sender.close();
  await receiver.close();
});

const request = /content-length: 2\r\n\r\n\{\}$/;
const ownResponse = 'HTTP/1.1 298 The next one\r\nContent-Length: 0\r\n\r\n';

/** Answers the first request with the bytes, each one after it with a 298 of its own. */
const startAnswering = async (answer: (socket: Socket) => void) => {
  let answered = false;
  const server = createServer({ noDelay: true }, (socket) => {
    let received = '';
    socket.on('data', (data) => {
      received += data.toString('latin1');
      if (!request.test(received)) return;
      received = '';
      if (answered) socket.write(ownResponse);
      else answer(socket);
      answered = true;
    });
  });
  receiver = await listen(server, '127.0.0.1', 0);
};

const end = (socket: Socket, then: RawResponse['then']) => {
  if (then === 'close') socket.end();
  if (then === 'reset') setImmediate(() => socket.resetAndDestroy());
};

const expectOutcome = async (expected: RawResponse) => {
  const outcome = await post(sender, receiver.url, { timeoutMs: 8_000 });
  expect(outcome).toMatchObject({ status: expected.status, responseCode: expected.responseCode });
  expect(outcome.error?.code ?? null).toBe(expected.error);
  expect(outcome.error?.message ?? '').not.toMatch(/ERR_|HPE_|UND_|[A-Z]{4,}_/);
  if (expected.body !== undefined) expect(outcome.responseBody?.toString() ?? '').toBe(expected.body);
  if (expected.headers !== undefined) expect(outcome.responseHeaders).toMatchObject(expected.headers);

  if (!expected.reused) await until(() => sender.stats().connections === 0);
  // Whatever came after the response is not taken for the next one's.
  const next = await post(sender, receiver.url, { timeoutMs: 8_000 });
  expect(next).toMatchObject({ status: 'delivered', responseCode: 298 });
  expect(receiver.accepted).toHaveLength(expected.reused ? 1 : 2);
};

describe('a response in one piece', () => {
  it.each(rawResponses.map((raw) => [raw.name, raw] as const))('%s', async (_name, raw) => {
    await startAnswering((socket) => {
      socket.write(raw.bytes);
      end(socket, raw.then);
    });
    await expectOutcome(raw);
  });
});

describe('a response byte by byte', () => {
  const dripped = rawResponses.filter((raw) => raw.whole !== true && raw.bytes.length > 0);

  it.each(dripped.map((raw) => [raw.name, raw] as const))('%s', async (_name, raw) => {
    await startAnswering((socket) => {
      const bytes = Buffer.from(raw.bytes);
      let sent = 0;
      const writeNext = () => {
        if (socket.destroyed) return;
        if (sent === bytes.length) {
          end(socket, raw.then);
          return;
        }
        socket.write(bytes.subarray(sent, ++sent), () => setImmediate(writeNext));
      };
      writeNext();
    });
    await expectOutcome(raw);
  });
});

it('has at least 80 responses in its table', () => {
  expect(new Set(rawResponses.map((raw) => raw.name)).size).toBe(rawResponses.length);
  expect(rawResponses.length).toBeGreaterThanOrEqual(80);
});
