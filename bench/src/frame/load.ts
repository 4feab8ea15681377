import { startChild } from './child-process.js';
import type { Contestant } from './contestant.js';
import type { Percentiles } from './percentile.js';

export interface LoadPlan {
  /** Events go to `<prefix><0 … count − 1>` in turn. */
  customers: { prefix: string; count: number };
  /** It ends with so many events, or after so many seconds, whichever comes first. */
  events?: number;
  seconds?: number;
  /** Events per second in all; left out, as fast as the answers come. */
  rate?: number;
  connections?: number;
  payloadBytes?: number;
  /** `invoice.paid` if left out. */
  type?: string;
  /** What is answered 503 is sent again, with the same idempotency key, until it is accepted. */
  insist?: boolean;
  /** Events in one request to Posthorn's batch endpoint; left out, one request each. */
  batch?: number;
}

export interface LoadOrder extends LoadPlan {
  origin: string;
  apiKey: string;
}

export interface LoadReport {
  accepted: number;
  /** Answers other than 202, by status and text. */
  refused: Record<string, number>;
  seconds: number;
  /**
   * From request to answer; with a rate, from the moment the request was to be sent if no connection was free then, so
   * that a service which stalls does not hide the requests it keeps from being made.
   */
  latencyMs: Percentiles;
}

export interface Load {
  pid: number;
  run(contestant: Contestant, plan: LoadPlan): Promise<LoadReport>;
  stop(): Promise<void>;
}

/** Producers in a process of their own; several plans may run at once. */
export async function startLoad(): Promise<Load> {
  const child = await startChild(new URL('./load-process.js', import.meta.url));
  return {
    pid: child.pid,
    run: ({ ingest: { origin }, apiKey }, plan) =>
      child.ask<LoadReport>({ ...plan, origin, apiKey } satisfies LoadOrder),
    stop: () => child.stop(),
  };
}
