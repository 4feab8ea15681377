import type { AttemptResource, DeliveryResource, Page } from '@posthorn/api-contract';
import type { Environment } from '@posthorn/runtime';

import { connect } from '../connect.js';
import type { ClientOptions, PageOptions } from '../client-options.js';
import { print, printJson, printPage, printResult } from '../print.js';
import { printable, shortTime, textTable } from '../text-table.js';

export interface ListDeliveriesOptions extends PageOptions {
  customer?: string;
  endpoint?: string;
  event?: string;
  type?: string;
  status?: string;
  since?: string;
  until?: string;
}

export async function listDeliveries(env: Environment, options: ListDeliveriesOptions): Promise<void> {
  const { customer, endpoint, event, type, status, since, until, limit, cursor } = options;
  const api = await connect(options, env);
  const page = await api.call<Page<DeliveryResource>>('/v1/deliveries', {
    query: {
      ...{ customerId: customer, endpointId: endpoint, eventId: event },
      ...{ type, status, since, until, limit, cursor },
    },
  });
  const head = ['ID', 'STATUS', 'TYPE', 'CUSTOMER', 'ATTEMPTS', 'LAST', 'CREATED (UTC)', 'NEXT ATTEMPT'];
  printPage(page, options, head, (delivery) => [
    delivery.id,
    statusOf(delivery),
    delivery.type,
    delivery.customerId,
    String(delivery.attempts),
    String(delivery.lastResponseCode ?? delivery.lastError ?? '-').slice(0, 40),
    shortTime(delivery.createdAt),
    shortTime(delivery.nextAttemptAt),
  ]);
}

export async function showDelivery(env: Environment, id: string, options: ClientOptions): Promise<void> {
  const api = await connect(options, env);
  const delivery = await api.call<DeliveryResource>(pathOf(id));
  const attempts = await api.call<Page<AttemptResource>>(`${pathOf(id)}/attempts`, { query: { limit: 250 } });
  if (options.json) {
    printJson({ ...delivery, attemptList: attempts.data });
    return;
  }

  const facts: [string, string][] = [
    ['Delivery', delivery.id],
    ['Status', statusOf(delivery)],
    ['Event', `${delivery.eventId} (${delivery.type})`],
    ['Customer', delivery.customerId],
    ['Endpoint', delivery.endpointId],
    ['Created', shortTime(delivery.createdAt)],
    ['Next attempt', shortTime(delivery.nextAttemptAt)],
    ['Finished', shortTime(delivery.finishedAt)],
    ['Expires', shortTime(delivery.expiresAt)],
  ];
  print(facts.map(([name, value]) => `${name.padEnd(14)}${printable(value)}\n`).join(''));
  print('\n');
  if (attempts.data.length === 0) {
    print('No attempts yet.\n');
    return;
  }
  print(
    textTable(
      ['ATTEMPT', 'STARTED (UTC)', 'TRIGGER', 'STATUS', 'HTTP', 'LATENCY', 'ERROR'],
      attempts.data.map(attemptRow),
    ),
  );
}

/** Sends one delivery again. */
export async function replayDelivery(env: Environment, id: string, options: ClientOptions): Promise<void> {
  const api = await connect(options, env);
  const delivery = await api.call<DeliveryResource>(`${pathOf(id)}/replay`, { method: 'post' });
  const result =
    delivery.status === 'held'
      ? `is held (${delivery.reason ?? 'no reason'}).`
      : `is sent again. To see the result: posthorn deliveries show ${delivery.id}`;
  printResult(delivery, options, `${delivery.id} ${result}\n`);
}

function pathOf(id: string): string {
  return `/v1/deliveries/${encodeURIComponent(id)}`;
}

function statusOf({ status, waitingFor, reason }: DeliveryResource): string {
  const because = waitingFor ?? reason;
  return because === null ? status : `${status} (${because})`;
}

function attemptRow(attempt: AttemptResource): string[] {
  return [
    String(attempt.number),
    shortTime(attempt.startedAt),
    attempt.trigger,
    attempt.status,
    String(attempt.responseCode ?? '-'),
    `${attempt.latencyMs} ms`,
    attempt.error?.message ?? '-',
  ];
}
