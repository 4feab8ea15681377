import type { ApiTarget } from '../api-target.js';
import { CommandError } from '../command-error.js';
import { createApiClient } from '../api-client.js';
import { sendDemoEvent } from './demo-delivery.js';
import { ensureDemoEndpoint } from './demo-endpoint.js';
import { startDemoReceiver, type ReceivedWebhook } from './demo-receiver.js';
import { storeDemo, readStoredDemo } from './stored-demo.js';

export interface Demo {
  /** Sends one event to the receiver through Posthorn and says what came of it; a demo that fails stops nothing. */
  deliver(target: ApiTarget, signal: AbortSignal): Promise<string>;
  close(): Promise<void>;
}

export interface DemoOptions {
  dataDir: string;
  /** Gets a line for each webhook that arrives after the demo's own. */
  onReceived: (line: string) => void;
}

/** Opens the built-in receiver. Before the roles start: deliveries that an earlier start left behind then arrive. */
export async function startDemo({ dataDir, onReceived }: DemoOptions): Promise<Demo> {
  const kept = await readStoredDemo(dataDir);
  let announcing = false;
  const receiver = await startDemoReceiver({
    wantedPort: kept?.port ?? null,
    secret: kept?.secret ?? null,
    onReceived: (webhook) => {
      if (announcing) onReceived(lineFor(webhook));
    },
  });
  return {
    async deliver(target, signal) {
      try {
        const api = createApiClient(target);
        const { id, secret, secretCreatedAt } = await ensureDemoEndpoint(api, receiver.url, kept);
        receiver.secret = secret;
        await storeDemo(dataDir, { port: receiver.port, secret, secretCreatedAt });
        const outcome = await sendDemoEvent({ api, receiver, endpointId: id, signal });
        announcing = true;
        return outcome;
      } catch (error) {
        signal.throwIfAborted();
        if (error instanceof CommandError) return `failed: ${error.message}`;
        throw error;
      }
    },
    close: () => receiver.close(),
  };
}

function lineFor({ id, type, signature }: ReceivedWebhook): string {
  return `Demo receiver received ${type} (${id}), ${signature.valid ? 'signature valid' : `signature not valid (${signature.reason})`}\n`;
}
