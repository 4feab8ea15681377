import { startChild } from '../frame/child-process.js';

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
  /** Since when it may have waited to be read: before `arrivedAtMs` where the receivers themselves were held up. */
  waitingSinceMs: number;
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
  const child = await startChild<{ port: number }>(new URL('./receivers-process.js', import.meta.url));
  const { port } = child.hello;
  return {
    url: (behaviour, endpoint) => `http://127.0.0.1:${port}/${behaviour}/${endpoint}`,
    async heal() {
      await child.ask('heal');
    },
    receipts: () => child.ask<Receipt[]>('report'),
    stop: () => child.stop(),
  };
}
