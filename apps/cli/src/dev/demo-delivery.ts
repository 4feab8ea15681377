import { setTimeout as pause } from 'node:timers/promises';
import type { AcceptedEventResource, AttemptResource, DeliveryResource, Page } from '@posthorn/api-contract';

import type { ApiClient } from '../api-client.js';
import { demoCustomerId } from './demo-endpoint.js';
import type { DemoReceiver } from './demo-receiver.js';

export interface DemoDeliveryDeps {
  api: ApiClient;
  receiver: Pick<DemoReceiver, 'received'>;
  endpointId: string;
  signal: AbortSignal;
}

const waitMs = 15_000;
const pollMs = 20;

/** Sends one event as a producer would, follows its delivery, and says in one line what came of it. */
export async function sendDemoEvent({
  api,
  receiver,
  endpointId,
  signal,
}: DemoDeliveryDeps): Promise<string> {
  const event = await api.call<AcceptedEventResource>('/v1/events', {
    method: 'post',
    body: { customerId: demoCustomerId, type: 'demo.hello', data: { message: 'Hello from Posthorn' } },
  });
  const query = { eventId: event.id, endpointId };
  const deadlineMs = performance.now() + waitMs;
  for (;;) {
    const { data } = await api.call<Page<DeliveryResource>>('/v1/deliveries', { query });
    const [delivery] = data;
    if (!delivery) return 'none: the demo endpoint has no filter for demo.hello';
    if (delivery.status !== 'pending' || delivery.attempts > 0) {
      return await resultOf(api, delivery, receiver.received(event.id));
    }
    if (performance.now() > deadlineMs) return `still waiting after ${waitMs / 1000} s (${delivery.id})`;
    await pause(pollMs, undefined, { signal });
  }
}

async function resultOf(
  api: ApiClient,
  delivery: DeliveryResource,
  webhook: ReturnType<DemoReceiver['received']>,
): Promise<string> {
  if (delivery.attempts === 0) return `${delivery.status} (${delivery.reason ?? 'no reason given'})`;
  const attempts = await api.call<Page<AttemptResource>>(`/v1/deliveries/${delivery.id}/attempts`);
  const attempt = attempts.data.find(({ number }) => number === delivery.attempts);
  const how = `attempt ${delivery.attempts}, ${outcomeOf(attempt)}, ${signatureOf(webhook)}`;
  if (delivery.status !== 'delivered' || delivery.finishedAt === null) {
    return `not delivered: ${how}; for details run "npm run posthorn -- deliveries show ${delivery.id}"`;
  }
  const tookMs = Date.parse(delivery.finishedAt) - Date.parse(delivery.createdAt);
  return `delivered in ${tookMs} ms, ${how}`;
}

function outcomeOf(attempt: AttemptResource | undefined): string {
  if (attempt?.responseCode != null) return `HTTP ${attempt.responseCode}`;
  return attempt?.error?.message ?? 'no response';
}

function signatureOf(webhook: ReturnType<DemoReceiver['received']>): string {
  if (!webhook) return 'nothing received';
  return webhook.signature.valid ? 'signature valid' : `signature not valid (${webhook.signature.reason})`;
}
