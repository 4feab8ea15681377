import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { verifyRequest, type Verification } from '@posthorn/domain';

export interface ReceivedWebhook {
  /** The event's id. */
  id: string;
  type: string;
  signature: Verification;
}

export interface DemoReceiver {
  url: string;
  port: number;
  /** Null until the endpoint exists: what arrives before is answered 503 and comes again. */
  secret: string | null;
  /** What arrived under this id lately. */
  received(id: string): ReceivedWebhook | undefined;
  close(): Promise<void>;
}

export interface DemoReceiverOptions {
  /** That of the start before, so that what it left behind still arrives; another one if it is taken. */
  wantedPort: number | null;
  secret: string | null;
  onReceived: (webhook: ReceivedWebhook) => void;
}

/** A webhook receiver as a customer would write it: checks the signature, then answers 200. On loopback only. */
export async function startDemoReceiver(options: DemoReceiverOptions): Promise<DemoReceiver> {
  const lately = new Map<string, ReceivedWebhook>();
  const server = createServer((request, response) => {
    receive(request, receiver.secret).then(
      (webhook) => {
        if (webhook) {
          remember(lately, webhook);
          options.onReceived(webhook);
        }
        response.writeHead(webhook === null ? 503 : webhook.signature.valid ? 200 : 400).end();
      },
      () => response.destroy(),
    );
  });
  const port = await listen(server, options.wantedPort);
  const receiver: DemoReceiver = {
    url: `http://127.0.0.1:${port}/webhooks`,
    port,
    secret: options.secret,
    received: (id) => lately.get(id),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
  return receiver;
}

const rememberedMax = 100;

function remember(lately: Map<string, ReceivedWebhook>, webhook: ReceivedWebhook): void {
  lately.set(webhook.id, webhook);
  const [oldest] = lately.keys();
  if (lately.size > rememberedMax && oldest !== undefined) lately.delete(oldest);
}

async function receive(request: IncomingMessage, secret: string | null): Promise<ReceivedWebhook | null> {
  const body = await buffer(request);
  if (secret === null) return null;
  const { headers } = request;
  const signature = verifyRequest(
    { scheme: 'standard' },
    { headers, body, secrets: [secret], nowMs: Date.now() },
  );
  return { id: String(headers['webhook-id']), type: typeIn(body), signature };
}

function typeIn(body: Buffer): string {
  try {
    return String((JSON.parse(body.toString('utf8')) as { type?: unknown }).type);
  } catch {
    return 'unknown';
  }
}

async function listen(server: Server, wantedPort: number | null): Promise<number> {
  try {
    return await listenOn(server, wantedPort ?? 0);
  } catch {
    return await listenOn(server, 0);
  }
}

function listenOn(server: Server, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', () => {
      server.off('error', reject);
      resolve((server.address() as AddressInfo).port);
    });
  });
}
