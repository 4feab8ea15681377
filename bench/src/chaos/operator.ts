import { setTimeout as pause } from 'node:timers/promises';

import { createOperatorClient } from './operator-client.js';
import { ledgerProblem, type LedgerView } from './read-ledger.js';
import type { SeededRandom } from './seeded-random.js';

const EVERY_MS = 300;
/** Longer than an attempt may take: what was on the wire when an endpoint was paused has ended by then. */
const PAUSED_MS = { min: 4_000, max: 12_000 };
const PAUSED_MAX = 4;

/** An endpoint by its id, and by the name under which its receiver knows it. */
export interface KnownEndpoint {
  id: string;
  name: string;
}

/** What was asked of a delivery (`webhookId` given) or of all that an endpoint holds. */
export interface OperatorAct {
  kind: 'replay' | 'cancel' | 'resume';
  endpoint: string;
  webhookId: string | null;
  atMs: number;
  /** When it was answered, or given up. */
  untilMs: number;
}

export interface OperatorReport {
  /** Calls that were done, by what they asked for. */
  done: Record<string, number>;
  /** 409: the state of the delivery or endpoint did not allow it. */
  conflicts: number;
  /** Without an answer, or answered 503. */
  unavailable: number;
  /** Answers that no fault excuses. */
  unexpected: Record<string, number>;
  /** Deliveries that a replay opened as pending: `<endpoint> <webhook id>`. */
  replayed: ReadonlySet<string>;
  acts: readonly OperatorAct[];
  /** `GET /v1/ledger` in the midst of it all: how often it was answered, and each that did not balance. */
  ledgerReads: number;
  ledgerWrong: string[];
}

export interface Operator {
  report: OperatorReport;
  /** Begins nothing new; resolves when every paused endpoint is enabled again. */
  stop(): Promise<void>;
}

interface DeliveryView {
  id: string;
  eventId: string;
  endpointId: string;
  status: string;
}

/** Someone who pauses and resumes endpoints, replays and cancels deliveries and reads the ledger while all else fails. */
export function startOperator(options: {
  origin: string;
  apiKey: string;
  endpoints: readonly KnownEndpoint[];
  random: SeededRandom;
}): Operator {
  const { endpoints, random } = options;
  const client = createOperatorClient(options);
  const nameOf = new Map(endpoints.map(({ id, name }) => [id, name]));
  const resumeAtMs = new Map<string, number>();
  const replayed = new Set<string>();
  const acts: OperatorAct[] = [];
  const ledgerWrong: string[] = [];
  const report: OperatorReport = {
    done: {},
    conflicts: 0,
    unavailable: 0,
    unexpected: {},
    replayed,
    acts,
    ledgerReads: 0,
    ledgerWrong,
  };
  const stopping = new AbortController();

  async function run(): Promise<void> {
    while (!stopping.signal.aborted) {
      await pause(EVERY_MS * random.between(0.5, 1.5), undefined, { signal: stopping.signal }).catch(
        () => undefined,
      );
      const due = [...resumeAtMs].find(([, atMs]) => atMs <= Date.now());
      if (due) await resume(due[0]);
      else await one(random.next());
    }
    while (resumeAtMs.size > 0) {
      for (const id of [...resumeAtMs.keys()]) await resume(id);
      await pause(100);
    }
  }

  function one(choice: number): Promise<void> {
    if (choice < 0.5) return replay();
    if (choice < 0.6) return cancel();
    if (choice < 0.75 && resumeAtMs.size < PAUSED_MAX) return pauseOne();
    return readLedger();
  }

  async function replay(): Promise<void> {
    const status = random.shuffled(['dead_lettered', 'delivered', 'cancelled', 'pending', 'held'])[0] ?? '';
    const delivery = await anyDelivery(status);
    if (!delivery) return;
    const done = await act('replay', delivery.endpointId, delivery.eventId, () =>
      call<DeliveryView>('replay', 'POST', `/v1/deliveries/${delivery.id}/replay`),
    );
    if (done?.status === 'pending') replayed.add(`${nameOf.get(delivery.endpointId)} ${delivery.eventId}`);
  }

  async function cancel(): Promise<void> {
    const delivery = await anyDelivery(random.next() < 0.5 ? 'pending' : 'held');
    if (!delivery) return;
    await act('cancel', delivery.endpointId, delivery.eventId, () =>
      call('cancel', 'POST', `/v1/deliveries/${delivery.id}/cancel`),
    );
  }

  async function pauseOne(): Promise<void> {
    const { id } = random.shuffled(endpoints.filter((endpoint) => !resumeAtMs.has(endpoint.id)))[0] ?? {};
    if (id === undefined) return;
    await call('pause', 'POST', `/v1/endpoints/${id}/pause`);
    // Also without an answer: it may be paused all the same.
    resumeAtMs.set(id, Date.now() + random.between(PAUSED_MS.min, PAUSED_MS.max));
  }

  async function resume(id: string): Promise<void> {
    const held = random.next() < 0.75 ? 'release' : 'cancel';
    const done = await act('resume', id, null, () =>
      call(
        `resume, held ${held === 'release' ? 'released' : 'cancelled'}`,
        'POST',
        `/v1/endpoints/${id}/resume`,
        {
          held,
        },
      ),
    );
    if (done) resumeAtMs.delete(id);
    else resumeAtMs.set(id, Date.now() + 500);
  }

  async function readLedger(): Promise<void> {
    const ledger = await call<LedgerView>('read the ledger', 'GET', '/v1/ledger');
    if (!ledger) return;
    report.ledgerReads += 1;
    const problem = ledgerProblem(ledger);
    if (problem !== null) ledgerWrong.push(problem);
  }

  async function anyDelivery(status: string): Promise<DeliveryView | undefined> {
    const { id } = random.shuffled(endpoints)[0] ?? {};
    const page = await call<{ data: DeliveryView[] }>(
      null,
      'GET',
      `/v1/deliveries?status=${status}&endpointId=${id}&limit=50`,
    );
    return random.shuffled(page?.data ?? [])[0];
  }

  async function act<T>(
    kind: OperatorAct['kind'],
    endpointId: string,
    webhookId: string | null,
    run: () => Promise<T>,
  ): Promise<T> {
    const atMs = Date.now();
    const result = await run();
    acts.push({ kind, endpoint: nameOf.get(endpointId) ?? '', webhookId, atMs, untilMs: Date.now() });
    return result;
  }

  /** The answer's body; undefined for any other than a success. */
  async function call<T = object>(
    name: string | null,
    method: string,
    target: string,
    body?: object,
  ): Promise<T | undefined> {
    const answer = await client.call<T>(method, target, body);
    switch (answer.kind) {
      case 'done':
        if (name !== null) report.done[name] = (report.done[name] ?? 0) + 1;
        return answer.body;
      case 'conflict':
        report.conflicts += 1;
        return undefined;
      case 'unavailable':
        report.unavailable += 1;
        return undefined;
      case 'unexpected':
        report.unexpected[answer.text] = (report.unexpected[answer.text] ?? 0) + 1;
        return undefined;
    }
  }

  const running = run();
  return {
    report,
    async stop() {
      stopping.abort();
      await running;
    },
  };
}
