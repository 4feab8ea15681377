import { setTimeout as sleep } from 'node:timers/promises';
import { Agent, type IncomingHttpHeaders, type IncomingMessage, request } from 'node:http';

/** A request as it goes over the wire: nothing about it is made right. */
export interface RawRequest {
  method: string;
  /** Path and query. */
  target: string;
  headers: Record<string, string | string[]>;
  body: Buffer | null;
}

export interface ReceivedAnswer {
  status: number;
  headers: IncomingHttpHeaders;
  body: Buffer;
}

export interface RawSender {
  /** Rejects when no answer comes. Of an answer that never ends, such as a stream of events, only the head is read. */
  send(request: RawRequest): Promise<ReceivedAnswer>;
  /** The same, and again while the server says that it has too much to do just now: on a slow machine it may. */
  sendUntilTaken(request: RawRequest): Promise<ReceivedAnswer>;
  close(): void;
}

const answerTimeoutMs = 180_000;
const triesMax = 60;

export function createRawSender(port: number): RawSender {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });

  const sendOnce = ({ method, target, headers, body }: RawRequest) =>
    new Promise<ReceivedAnswer>((resolve, reject) => {
      const outgoing = request(
        { host: '127.0.0.1', port, agent, method, path: target, headers, timeout: answerTimeoutMs },
        (response) => {
          answered = true;
          read(response).then(resolve, reject);
        },
      );
      let answered = false;
      outgoing.on('timeout', () => outgoing.destroy(new Error(`no answer within ${answerTimeoutMs} ms`)));
      // A body that was refused early may not be taken to its end; the answer is there all the same.
      outgoing.on('error', (error) => {
        if (!answered) reject(Object.assign(error, { reused: outgoing.reusedSocket }));
      });
      outgoing.end(body ?? undefined);
    });

  const send = async (raw: RawRequest): Promise<ReceivedAnswer> => {
    try {
      return await sendOnce(raw);
    } catch (error) {
      // The server may close a connection that was kept just as it is used again.
      if ((error as { reused?: boolean }).reused === true) return sendOnce(raw);
      throw error;
    }
  };

  return {
    send,
    async sendUntilTaken(raw) {
      for (let tries = 1; ; tries += 1) {
        const answer = await send(raw);
        const seconds = Number(answer.headers['retry-after']);
        if (answer.status !== 503 || !seconds || tries === triesMax) return answer;
        await sleep(seconds * 1_000);
      }
    },
    close: () => agent.destroy(),
  };
}

async function read(response: IncomingMessage): Promise<ReceivedAnswer> {
  const { statusCode: status = 0, headers } = response;
  if (headers['content-type']?.startsWith('text/event-stream') === true) {
    response.destroy();
    return { status, headers, body: Buffer.alloc(0) };
  }
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk as Buffer);
  return { status, headers, body: Buffer.concat(chunks) };
}
