import { startChild } from './child-process.js';
import type { Percentiles } from './percentile.js';

/** What the endpoints of a group do with a request once they have read it. */
export type Behaviour =
  | { kind: 'answer'; status: number; afterMs: number }
  /** 503 to the first request of one event in so many, 200 to all others. */
  | { kind: 'fails_first'; oneIn: number }
  /** At random this share fails: by an answer of 500, a connection that is reset, or no answer at all. Others get 200. */
  | { kind: 'flaky'; share: number; as: FlakyFailure; afterMs: number }
  /** No answer until `release`. */
  | { kind: 'hang' };

export type FlakyFailure = '500' | 'reset' | 'timeout';

export type ReceiverCommand =
  | { command: 'behave'; group: string; behaviour: Behaviour }
  | { command: 'report'; group: string }
  | { command: 'take'; group: string }
  | { command: 'count'; group: string }
  | { command: 'held' }
  | { command: 'release' };

export interface ReceiverReport {
  received: number;
  /** From the event's timestamp to its arrival here. */
  latencyMs: Percentiles;
  /** By the second of arrival, in seconds since 1970. */
  series: { second: number; received: number; p50: number; p99: number }[];
}

export interface Arrival {
  atMs: number;
  /** From the event's timestamp to its arrival. */
  latencyMs: number;
}

export interface Receiver {
  pid: number;
  /** The endpoints of a group behave alike; every customer may have a path of its own in it. */
  url(group: string, endpoint?: string): string;
  /** The port, for endpoints that are named. */
  port: number;
  /** From now on; a new group answers 200 at once. */
  behave(group: string, behaviour: Behaviour): Promise<void>;
  /** What came since the last report. */
  report(group: string): Promise<ReceiverReport>;
  /** The same one by one, for figures over other spans; they are in no later report. */
  take(group: string): Promise<Arrival[]>;
  /** How many came since the last report. */
  count(group: string): Promise<number>;
  /** Requests that wait for an answer. */
  held(): Promise<number>;
  /** Answers 200 to all that hang, and returns how many there were. */
  release(): Promise<number>;
  stop(): Promise<void>;
}

/** All customers' endpoints, in a process of their own. */
export async function startReceiver(): Promise<Receiver> {
  const child = await startChild<{ port: number }>(new URL('./receiver-process.js', import.meta.url));
  const { port } = child.hello;
  const ask = <Answer>(command: ReceiverCommand): Promise<Answer> => child.ask<Answer>(command);
  return {
    pid: child.pid,
    port,
    url: (group, endpoint = '') => `http://127.0.0.1:${port}/${group}/${endpoint}`,
    behave: (group, behaviour) => ask({ command: 'behave', group, behaviour }),
    report: (group) => ask({ command: 'report', group }),
    take: (group) => ask({ command: 'take', group }),
    count: (group) => ask({ command: 'count', group }),
    held: () => ask({ command: 'held' }),
    release: () => ask({ command: 'release' }),
    stop: () => child.stop(),
  };
}
