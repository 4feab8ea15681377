import { setTimeout as sleep } from 'node:timers/promises';
import {
  type News,
  type NewsItem,
  newsOfCustomerMax,
  type NewsPlace,
  type NewsQuestion,
} from '@posthorn/delivery/stream';
import type { Logger } from '@posthorn/runtime';

import { messagesOf } from './stream-messages.js';

/** Of those who resume, so many are caught up with in one reading. */
const RESUMING_MAX = 3;

export interface Subscriber {
  readonly customerId: string;
  /** Where it left off; null: from now on. */
  readonly after: NewsPlace | null;
  /** What is new as messages, none too: the place moves on. `gap`: some were left out. */
  tell(messages: string, place: NewsPlace, gap: boolean): void;
  /** The customer is there no more. */
  end(): void;
}

export interface NewsDesk {
  /** Returns what ends it. */
  subscribe(subscriber: Subscriber): () => void;
}

export interface NewsDeskDeps {
  read(
    questions: readonly NewsQuestion[],
  ): Promise<{ place: NewsPlace; news: News[]; gone: ReadonlySet<string> }>;
  logger: Logger;
  stopping: AbortSignal;
  /** Between two readings. */
  everyMs: number;
}

/**
 * Reads what is new, once for all who listen in this process, as long as anybody does. Whoever resumes is asked for apart,
 * in the same snapshot, and is where the others are from then on.
 */
export function createNewsDesk({ read, logger, stopping, everyMs }: NewsDeskDeps): NewsDesk {
  const current = new Set<Subscriber>();
  const joining = new Set<Subscriber>();
  let place: NewsPlace | null = null;
  let running = false;
  let failing = false;

  async function run(): Promise<void> {
    while (current.size + joining.size > 0 && !stopping.aborted) {
      try {
        await readOn();
        if (failing) logger.info('stream.read_recovered');
        failing = false;
      } catch (error) {
        if (!failing) logger.warn('stream.read_failed', { error });
        failing = true;
      }
      await sleep(everyMs, undefined, { signal: stopping }).catch(() => undefined);
    }
    running = false;
    place = null;
  }

  async function readOn(): Promise<void> {
    const listening = [...current];
    const fresh = [...joining].filter(({ after }) => after === null);
    const resuming = [...joining].filter(({ after }) => after !== null).slice(0, RESUMING_MAX);
    const customerIds = [...new Set(listening.map(({ customerId }) => customerId))];
    const answered = await read([
      ...(place ? [{ after: place, customerIds }] : []),
      ...resuming.flatMap(({ after, customerId }) => (after ? [{ after, customerIds: [customerId] }] : [])),
    ]);
    const ofAll = place ? answered.news.shift() : undefined;
    place = answered.place;

    if (ofAll) tellAll(listening, ofAll, place);
    for (const subscriber of fresh) join(subscriber, { items: [], gap: false }, place);
    for (const subscriber of resuming) {
      const news = answered.news.shift();
      if (news) join(subscriber, news, place);
    }
    for (const subscriber of [...current]) if (answered.gone.has(subscriber.customerId)) subscriber.end();
  }

  function tellAll(listening: readonly Subscriber[], { items, gap }: News, at: NewsPlace): void {
    const byCustomer = new Map(
      [...groupByCustomer(items)].map(([customerId, theirs]) => [customerId, write({ items: theirs, gap })]),
    );
    const nothing = write({ items: [], gap });
    for (const subscriber of listening) {
      // It may have gone meanwhile.
      if (!current.has(subscriber)) continue;
      const told = byCustomer.get(subscriber.customerId) ?? nothing;
      subscriber.tell(told.messages, at, told.gap);
    }
  }

  function join(subscriber: Subscriber, news: News, at: NewsPlace): void {
    if (!joining.delete(subscriber)) return;
    current.add(subscriber);
    const { messages, gap } = write(news);
    subscriber.tell(messages, at, gap);
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

/** One customer's news as text, which all of its streams share. */
function write({ items, gap }: News): { messages: string; gap: boolean } {
  const told = items.slice(0, newsOfCustomerMax);
  return { messages: told.map(messagesOf).join(''), gap: gap || items.length > told.length };
}

function groupByCustomer(items: readonly NewsItem[]): Map<string, NewsItem[]> {
  const groups = new Map<string, NewsItem[]>();
  for (const item of items) {
    const { customerId } = item.delivery;
    const group = groups.get(customerId);
    if (group) group.push(item);
    else groups.set(customerId, [item]);
  }
  return groups;
}
