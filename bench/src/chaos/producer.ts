import { setTimeout as pause } from 'node:timers/promises';

const ANSWER_WITHIN_MS = 4_000;
const REPEAT_AFTER_MS = 250;
const WAITING_MAX = 500;
const DOUBLED_SHARE = 0.05;
/** One event in so many also names an id of the producer's own. */
const WITH_EXTERNAL_ID = 5;

export interface AcceptedEvent {
  customerId: string;
  deliveries: number;
}

export interface ProducerReport {
  /** By event id, as the 202 answers named them. */
  accepted: Map<string, AcceptedEvent>;
  /** Events the producer made; each has a key of its own and is repeated until a 202 comes. */
  produced: number;
  requests: number;
  /** Requests without an answer, and answers that ask to come again. */
  unanswered: number;
  unavailable: number;
  /** Answers that no fault excuses. */
  refused: Record<string, number>;
  /** Keys for which two different events were answered. */
  keysWithTwoEvents: number;
}

export interface Producer {
  report: ProducerReport;
  waiting(): number;
  /** Makes nothing new; resolves when every event has its 202, or with what is left when the time is over. */
  stop(deadlineMs: number): Promise<number>;
}

/** Posts events at a steady rate; what got no answer is repeated with the same key, and some are posted twice at once. */
export function startProducer(options: {
  origins: readonly string[];
  apiKey: string;
  customerIds: readonly string[];
  perSecond: number;
}): Producer {
  const { origins, apiKey, customerIds, perSecond } = options;
  const report: ProducerReport = {
    accepted: new Map(),
    produced: 0,
    requests: 0,
    unanswered: 0,
    unavailable: 0,
    refused: {},
    keysWithTwoEvents: 0,
  };
  const underway = new Set<Promise<void>>();
  let givenUp = false;
  const startedMs = performance.now();

  const timer = setInterval(() => {
    const wanted = ((performance.now() - startedMs) / 1000) * perSecond;
    while (report.produced < wanted && underway.size < WAITING_MAX) produce(report.produced++);
  }, 20);

  function produce(index: number): void {
    const doubled = index % Math.round(1 / DOUBLED_SHARE) === 0;
    const posts = doubled ? [post(index, 0), post(index, 1)] : [post(index, index)];
    const all = Promise.all(posts).then((ids) => {
      if (new Set(ids.filter((id) => id !== null)).size > 1) report.keysWithTwoEvents += 1;
    });
    underway.add(all);
    void all.finally(() => underway.delete(all));
  }

  async function post(index: number, first: number): Promise<string | null> {
    const customerId = customerIds[index % customerIds.length] ?? '';
    for (let tries = first; !givenUp; tries += 1) {
      const answer = await send(origins[tries % origins.length] ?? '', index, customerId);
      if (answer.id !== null) {
        report.accepted.set(answer.id, { customerId, deliveries: answer.deliveries });
        return answer.id;
      }
      await pause(REPEAT_AFTER_MS);
    }
    return null;
  }

  async function send(
    origin: string,
    index: number,
    customerId: string,
  ): Promise<{ id: string; deliveries: number } | { id: null }> {
    report.requests += 1;
    try {
      const response = await fetch(`${origin}/v1/events`, {
        method: 'POST',
        headers: {
          'content-type': 'application/json',
          authorization: `Bearer ${apiKey}`,
          'idempotency-key': `event-${index}`,
        },
        body: JSON.stringify({
          customerId,
          type: 'invoice.paid',
          data: { index },
          // Two claims on one event take another way through the database than one.
          ...(index % WITH_EXTERNAL_ID === 0 && { externalId: `external-${index}` }),
        }),
        signal: AbortSignal.timeout(ANSWER_WITHIN_MS),
      });
      const text = await response.text();
      if (response.status === 202) return JSON.parse(text) as { id: string; deliveries: number };
      if (response.status === 503) {
        report.unavailable += 1;
      } else {
        const answer = `${response.status} ${text.slice(0, 200)}`;
        report.refused[answer] = (report.refused[answer] ?? 0) + 1;
      }
    } catch {
      report.unanswered += 1;
    }
    return { id: null };
  }

  return {
    report,
    waiting: () => underway.size,
    async stop(deadlineMs) {
      clearInterval(timer);
      const untilMs = performance.now() + deadlineMs;
      while (underway.size > 0 && performance.now() < untilMs) await pause(50);
      const left = underway.size;
      givenUp = true;
      return left;
    },
  };
}
