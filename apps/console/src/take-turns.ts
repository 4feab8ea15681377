import { AppError, type Caller } from '@posthorn/http';

export interface TurnsSettings {
  /** Questions that run at the same time. Default 2; of one party there is one of them. */
  runningMax?: number;
  /** Questions of one party that wait for their turn; past it it is refused with 429. Default 5. */
  waitingMaxEach?: number;
  /** Questions of all parties that wait; past it whoever asks is refused with 503. Default 100. */
  waitingMax?: number;
}

/** Whose turn it is: of a customer's own keys and sessions, or of those that may ask about all customers. */
export interface Party {
  caller: Pick<Caller, 'customerId'>;
  /** Asked about; without one, about all of them. */
  customerId?: string;
}

/** Settles as the question does, once its turn has come. Throws `rate_limited` or `unavailable` instead of having it wait. */
export type TakeTurn = <R>(party: Party, ask: () => Promise<R>) => Promise<R>;

/**
 * For questions that read up to millions of rows. Whoever asks many of them must not take the connections from everybody
 * else, nor the places where others wait: each party has one running and a few waiting, and the parties take turns.
 */
export function takeTurns({
  runningMax = 2,
  waitingMaxEach = 5,
  waitingMax = 100,
}: TurnsSettings = {}): TakeTurn {
  // Parties with something running or waiting; the one that has had no turn for longest comes first.
  const lines = new Map<string, Line>();
  let running = 0;
  let waiting = 0;

  function join(name: string): Promise<void> {
    const line = lines.get(name) ?? { runs: false, waiting: [] };
    if (!line.runs && running < runningMax) {
      begin(name, line);
      return Promise.resolve();
    }
    if (line.waiting.length >= waitingMaxEach)
      throw refusal(
        'rate_limited',
        `${waitingMaxEach} such questions are waiting already, and one is being answered.`,
      );
    if (waiting >= waitingMax) throw refusal('unavailable', 'Too many such requests are waiting.');
    waiting += 1;
    lines.set(name, line);
    return new Promise((resolve) => line.waiting.push(resolve));
  }

  function begin(name: string, line: Line): void {
    running += 1;
    line.runs = true;
    // Behind all others.
    lines.delete(name);
    lines.set(name, line);
  }

  function leave(name: string): void {
    running -= 1;
    const left = lines.get(name);
    if (left) left.runs = false;
    if (left?.waiting.length === 0) lines.delete(name);
    for (const [next, line] of lines) {
      const start = line.runs ? undefined : line.waiting.shift();
      if (!start) continue;
      waiting -= 1;
      begin(next, line);
      start();
      return;
    }
  }

  return async (party, ask) => {
    const name = nameOf(party);
    await join(name);
    try {
      return await ask();
    } finally {
      leave(name);
    }
  };
}

interface Line {
  runs: boolean;
  /** Starts each, the first that came first. */
  waiting: (() => void)[];
}

/** An operator's questions about a customer do not wait behind those that the customer asks. */
function nameOf({ caller, customerId }: Party): string {
  return caller.customerId === null ? `operator ${customerId ?? ''}` : `customer ${caller.customerId}`;
}

function refusal(code: 'rate_limited' | 'unavailable', detail: string): AppError {
  return new AppError({ code, detail, headers: { 'Retry-After': '2' } });
}
