import type { FaultRecord } from './faults.js';
import type { OperatorAct } from './operator.js';
import type { Receipt } from './receivers.js';

export interface RecordedAttempt {
  status: string;
  startedAtMs: number;
}

export interface DuplicateCauses {
  /** 2xx answers to one webhook id at one endpoint beyond the first. */
  total: number;
  byCause: Record<string, number>;
  unexplained: { endpoint: string; webhookId: string; receipts: Receipt[]; attempts: RecordedAttempt[] }[];
}

const SETTLED_WITHIN_MS = 1_000;
const SETTLE_REPEATED_WITHIN_MS = 3_000;
/** Posthorn measures its clock against the database's, so it may be some milliseconds off the receivers'. */
const CLOCK_NOISE_MS = 20;
const READ_WITHIN_MS = 1_000;
/** From an attempt's start to its arrival, on a machine that is busy starting processes. */
const ARRIVES_WITHIN_MS = 4_000;

/**
 * Says for each 2xx that was followed by another one why the first did not end the delivery. The attempts that were
 * recorded tell first: an answer that came too late stands there as a timeout. One that was not recorded needs a fault
 * between its arrival and its record.
 */
export function explainDuplicates(
  receipts: readonly Receipt[],
  attemptsOf: (endpoint: string, webhookId: string) => readonly RecordedAttempt[],
  faults: readonly FaultRecord[],
  acts: readonly OperatorAct[],
  jobLockMs: number,
): DuplicateCauses {
  const causes: DuplicateCauses = { total: 0, byCause: {}, unexplained: [] };
  const actsOn = actsByEndpoint(acts);
  for (const some of grouped(receipts)) {
    const [first] = some;
    const answered = some.filter(({ answeredAtMs }) => answeredAtMs !== null);
    if (!first || answered.length < 2) continue;
    const attempts = attemptsOf(first.endpoint, first.webhookId);
    const recorded = matched(some, attempts);
    // The last one is why it ended; each one before it should have.
    for (const receipt of answered.slice(0, -1)) {
      const asked = (actsOn.get(first.endpoint) ?? []).filter(
        ({ webhookId }) => webhookId === null || webhookId === first.webhookId,
      );
      const cause = causeOf(receipt, answered, recorded, faults, asked, jobLockMs);
      causes.total += 1;
      causes.byCause[cause] = (causes.byCause[cause] ?? 0) + 1;
      if (cause === UNEXPLAINED) {
        const { endpoint, webhookId } = first;
        causes.unexplained.push({ endpoint, webhookId, receipts: some, attempts: [...attempts] });
      }
    }
  }
  return causes;
}

const UNEXPLAINED = 'unexplained';

function causeOf(
  receipt: Receipt,
  answered: readonly Receipt[],
  recorded: ReadonlyMap<Receipt, RecordedAttempt>,
  faults: readonly FaultRecord[],
  asked: readonly OperatorAct[],
  jobLockMs: number,
): string {
  const status = recorded.get(receipt)?.status;
  if (status === 'timeout' || status === 'failed') return 'answer cut or too late for its sender';

  // A busy receiver reads late: its sender may be gone by then.
  const fromMs = receipt.waitingSinceMs - READ_WITHIN_MS;
  let untilMs = (receipt.answeredAtMs ?? 0) + SETTLED_WITHIN_MS;
  for (const { kind, atMs, untilMs: backMs } of faults) {
    if (!kind.startsWith('postgres') || atMs > untilMs || (backMs ?? Infinity) < fromMs) continue;
    untilMs = Math.max(untilMs, (backMs ?? atMs) + SETTLE_REPEATED_WITHIN_MS);
  }
  const happened = (wanted: (kind: string) => boolean, sinceMs: number, lastsMs: number): boolean =>
    faults.some(
      ({ kind, atMs, untilMs: backMs }) =>
        wanted(kind) && atMs <= untilMs && (backMs ?? atMs) + lastsMs >= sinceMs,
    );

  const bothRecorded = status !== undefined;
  const next = nextAfter(receipt, answered);
  // It had ended, and only a replay opens what has ended.
  if (
    status === 'delivered' &&
    asked.some((act) => act.kind === 'replay' && happenedBetween(act, receipt, next))
  )
    return 'replayed on request';
  const followers = answered.filter((other) => other.arrivedAtMs > receipt.arrivedAtMs);
  // Recorded, and sent again all the same: only a second send under way at that time may do that.
  if (
    bothRecorded &&
    !followers.some((other) => recorded.get(other)?.status === 'overlapped') &&
    status !== 'overlapped'
  )
    return UNEXPLAINED;
  const between = (kind: string): boolean =>
    faults.some((fault) => fault.kind === kind && within(fault.atMs, fromMs, untilMs));
  if (!bothRecorded && between('worker killed')) return 'worker killed before the record';
  if (!bothRecorded && between('worker ended by itself')) return 'worker ended by itself before the record';
  if (happened((kind) => kind.startsWith('worker stopped'), fromMs, SETTLED_WITHIN_MS))
    return 'worker stopped for longer than the job lock';
  if (happened((kind) => kind.startsWith('redis'), fromMs, jobLockMs)) return 'lock lost with Redis';
  if (asked.some((act) => act.kind !== 'cancel' && act.atMs <= untilMs && act.untilMs >= fromMs))
    return 'opened again while it was being sent';
  return UNEXPLAINED;
}

function nextAfter(receipt: Receipt, answered: readonly Receipt[]): Receipt | undefined {
  return answered
    .filter((other) => other !== receipt && other.arrivedAtMs >= receipt.arrivedAtMs)
    .sort((a, b) => a.arrivedAtMs - b.arrivedAtMs)[0];
}

function happenedBetween(act: OperatorAct, receipt: Receipt, next: Receipt | undefined): boolean {
  return act.untilMs >= receipt.arrivedAtMs && act.atMs <= (next?.arrivedAtMs ?? Infinity);
}

function within(atMs: number, fromMs: number, untilMs: number): boolean {
  return fromMs <= atMs && atMs <= untilMs;
}

/** Which recorded attempt each request was: the nearest pairs first, an attempt beginning before its request arrives. */
function matched(
  receipts: readonly Receipt[],
  attempts: readonly RecordedAttempt[],
): ReadonlyMap<Receipt, RecordedAttempt> {
  const pairs = receipts.flatMap((receipt) =>
    attempts.map((attempt) => ({
      receipt,
      attempt,
      agoMs: receipt.arrivedAtMs - attempt.startedAtMs,
      arrivesWithinMs: ARRIVES_WITHIN_MS + receipt.arrivedAtMs - receipt.waitingSinceMs,
    })),
  );
  const distance = (agoMs: number): number => (agoMs < 0 ? ARRIVES_WITHIN_MS - agoMs : agoMs);
  const recorded = new Map<Receipt, RecordedAttempt>();
  const taken = new Set<RecordedAttempt>();
  for (const { receipt, attempt, agoMs, arrivesWithinMs } of pairs.sort(
    (a, b) => distance(a.agoMs) - distance(b.agoMs),
  )) {
    if (agoMs < -CLOCK_NOISE_MS || agoMs > arrivesWithinMs) continue;
    if (recorded.has(receipt) || taken.has(attempt)) continue;
    recorded.set(receipt, attempt);
    taken.add(attempt);
  }
  return recorded;
}

function actsByEndpoint(acts: readonly OperatorAct[]): ReadonlyMap<string, OperatorAct[]> {
  const byEndpoint = new Map<string, OperatorAct[]>();
  for (const act of acts) {
    const some = byEndpoint.get(act.endpoint);
    if (some) some.push(act);
    else byEndpoint.set(act.endpoint, [act]);
  }
  return byEndpoint;
}

function grouped(receipts: readonly Receipt[]): Receipt[][] {
  const groups = new Map<string, Receipt[]>();
  for (const receipt of receipts) {
    const key = `${receipt.endpoint} ${receipt.webhookId}`;
    const group = groups.get(key);
    if (group) group.push(receipt);
    else groups.set(key, [receipt]);
  }
  return [...groups.values()];
}
