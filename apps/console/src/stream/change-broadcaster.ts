import { setTimeout as sleep } from 'node:timers/promises';
import {
  type DeliveryChanges,
  type DeliveryChange,
  changesPerCustomerMax,
  type ChangePosition,
  type ChangeQuery,
} from '@posthorn/delivery/stream';
import type { Logger } from '@posthorn/runtime';

import { messagesOf } from './stream-messages.js';

/** Subscribers that resume, and are brought up to date in one reading. */
const RESUMING_MAX = 3;

export interface Subscriber {
  readonly customerId: string;
  /** The position of its last message. Null: it begins now. */
  readonly after: ChangePosition | null;
  /** Changes as messages, which may be none: the position moves all the same. `gap`: some changes were left out. */
  push(messages: string, position: ChangePosition, gap: boolean): void;
  /** The customer no longer exists. */
  end(): void;
}

export interface ChangeBroadcaster {
  /** Returns a function that ends the subscription. */
  subscribe(subscriber: Subscriber): () => void;
}

export interface ChangeBroadcasterDeps {
  read(
    queries: readonly ChangeQuery[],
  ): Promise<{ position: ChangePosition; changes: DeliveryChanges[]; gone: ReadonlySet<string> }>;
  logger: Logger;
  stopping: AbortSignal;
  /** Between two readings. */
  everyMs: number;
}

/**
 * Reads changes once for all subscribers of this process, as long as there are any. A subscriber that resumes is read for
 * separately, in the same snapshot, and then has the position of the others.
 */
export function createChangeBroadcaster({
  read,
  logger,
  stopping,
  everyMs,
}: ChangeBroadcasterDeps): ChangeBroadcaster {
  const current = new Set<Subscriber>();
  const joining = new Set<Subscriber>();
  let position: ChangePosition | null = null;
  let running = false;
  let failing = false;

  async function run(): Promise<void> {
    while (current.size + joining.size > 0 && !stopping.aborted) {
      try {
        await readNext();
        if (failing) logger.info('stream.read_recovered');
        failing = false;
      } catch (error) {
        if (!failing) logger.warn('stream.read_failed', { error });
        failing = true;
      }
      await sleep(everyMs, undefined, { signal: stopping }).catch(() => undefined);
    }
    running = false;
    position = null;
  }

  async function readNext(): Promise<void> {
    const listening = [...current];
    const fresh = [...joining].filter(({ after }) => after === null);
    const resuming = [...joining].filter(({ after }) => after !== null).slice(0, RESUMING_MAX);
    const customerIds = [...new Set(listening.map(({ customerId }) => customerId))];
    const answered = await read([
      ...(position ? [{ after: position, customerIds }] : []),
      ...resuming.flatMap(({ after, customerId }) => (after ? [{ after, customerIds: [customerId] }] : [])),
    ]);
    const ofAll = position ? answered.changes.shift() : undefined;
    position = answered.position;

    if (ofAll) pushToAll(listening, ofAll, position);
    for (const subscriber of fresh) join(subscriber, { items: [], gap: false }, position);
    for (const subscriber of resuming) {
      const changes = answered.changes.shift();
      if (changes) join(subscriber, changes, position);
    }
    for (const subscriber of [...current]) if (answered.gone.has(subscriber.customerId)) subscriber.end();
  }

  function pushToAll(
    listening: readonly Subscriber[],
    { items, gap }: DeliveryChanges,
    at: ChangePosition,
  ): void {
    const byCustomer = new Map(
      [...groupByCustomer(items)].map(([customerId, theirs]) => [customerId, write({ items: theirs, gap })]),
    );
    const nothing = write({ items: [], gap });
    for (const subscriber of listening) {
      // It may have gone meanwhile.
      if (!current.has(subscriber)) continue;
      const written = byCustomer.get(subscriber.customerId) ?? nothing;
      subscriber.push(written.messages, at, written.gap);
    }
  }

  function join(subscriber: Subscriber, changes: DeliveryChanges, at: ChangePosition): void {
    if (!joining.delete(subscriber)) return;
    current.add(subscriber);
    const { messages, gap } = write(changes);
    subscriber.push(messages, at, gap);
  }

  return {
    subscribe(subscriber) {
      joining.add(subscriber);
      if (!running) {
        running = true;
        void run();
      }
      return () => {
        joining.delete(subscriber);
        current.delete(subscriber);
      };
    },
  };
}

/** The changes of one customer as text, which all of its streams share. */
function write({ items, gap }: DeliveryChanges): { messages: string; gap: boolean } {
  const written = items.slice(0, changesPerCustomerMax);
  return { messages: written.map(messagesOf).join(''), gap: gap || items.length > written.length };
}

function groupByCustomer(items: readonly DeliveryChange[]): Map<string, DeliveryChange[]> {
  const groups = new Map<string, DeliveryChange[]>();
  for (const item of items) {
    const { customerId } = item.delivery;
    const group = groups.get(customerId);
    if (group) group.push(item);
    else groups.set(customerId, [item]);
  }
  return groups;
}
