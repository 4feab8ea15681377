import { setTimeout as sleep } from 'node:timers/promises';
import type { News, NewsItem, NewsPlace, NewsQuestion } from '@posthorn/database';
import type { Logger } from '@posthorn/runtime';

/** Of one customer and reading; what is past it is a gap. */
const ITEMS_MAX = 500;
/** Of those who resume, so many are caught up with in one reading. */
const RESUMING_MAX = 5;

export interface Subscriber {
  readonly customerId: string;
  /** Where it left off; null: from now on. */
  readonly after: NewsPlace | null;
  /** What is new, empty too: the place moves on. */
  tell(items: readonly NewsItem[], place: NewsPlace, gap: boolean): void;
}

export interface NewsDesk {
  /** Returns what ends it. */
  subscribe(subscriber: Subscriber): () => void;
}

export interface NewsDeskDeps {
  read(questions: readonly NewsQuestion[]): Promise<{ place: NewsPlace; news: News[] }>;
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
    const listening = place === null ? [] : [...current];
    const fresh = [...joining].filter(({ after }) => after === null);
    const resuming = [...joining].flatMap((subscriber) =>
      subscriber.after === null ? [] : [{ subscriber, after: subscriber.after }],
    );
    const caughtUp = resuming.slice(0, RESUMING_MAX);
    const customerIds = [...new Set(listening.map(({ customerId }) => customerId))];
    const questions = caughtUp.map(({ subscriber, after }) => ({
      after,
      customerIds: [subscriber.customerId],
    }));
    const asked = place === null ? questions : [{ after: place, customerIds }, ...questions];
    const answered = await read(asked);
    const ofAll = place === null ? undefined : answered.news.shift();
    place = answered.place;

    if (ofAll) {
      const byCustomer = groupByCustomer(ofAll.items);
      for (const subscriber of listening)
        tell(subscriber, { items: byCustomer.get(subscriber.customerId) ?? [], gap: ofAll.gap });
    }
    for (const subscriber of fresh) join(subscriber, { items: [], gap: false });
    caughtUp.forEach(({ subscriber }, n) => join(subscriber, answered.news[n]));
  }

  function join(subscriber: Subscriber, news: News | undefined): void {
    // It may have gone meanwhile.
    if (!joining.delete(subscriber)) return;
    current.add(subscriber);
    tell(subscriber, news ?? { items: [], gap: true });
  }

  function tell(subscriber: Subscriber, { items, gap }: News): void {
    if (!current.has(subscriber) || place === null) return;
    subscriber.tell(items.slice(0, ITEMS_MAX), place, gap || items.length > ITEMS_MAX);
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
