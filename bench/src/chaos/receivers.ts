import { fork } from 'node:child_process';
import { once } from 'node:events';

import { ask } from '../start-system.js';

export const receiverBehaviours = [
  'healthy',
  'resets',
  'hangs',
  'drips',
  'huge',
  'fails_then_heals',
  'throttles',
  'slow',
] as const;

export type ReceiverBehaviour = (typeof receiverBehaviours)[number];

/** One request that an endpoint read to its end. */
export interface Receipt {
  endpoint: string;
  webhookId: string;
  arrivedAtMs: number;
  /** When a 2xx had been written whole; null for any other end. */
  answeredAtMs: number | null;
}

export interface Receivers {
  url(behaviour: ReceiverBehaviour, endpoint: string): string;
  heal(): Promise<void>;
  receipts(): Promise<Receipt[]>;
  stop(): Promise<void>;
}

export async function startReceivers(): Promise<Receivers> {
  const child = fork(new URL('./receivers-process.js', import.meta.url));
  const [{ port }] = (await once(child, 'message')) as [{ port: number }];
  return {
    url: (behaviour, endpoint) => `http://127.0.0.1:${port}/${behaviour}/${endpoint}`,
    async heal() {
      await ask(child, 'heal');
    },
    async receipts() {
      return (await ask<{ receipts: Receipt[] }>(child, 'report')).receipts;
    },
    async stop() {
      if (child.exitCode !== null) return;
      const exited = once(child, 'exit');
      child.kill('SIGTERM');
      await exited;
    },
  };
}
