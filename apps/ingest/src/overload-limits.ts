import { deliveriesWaitingMax } from '@posthorn/delivery/accept';

export interface OverloadLimits {
  /** Events that wait for a commit. */
  waitingMax: number;
  /** How long the first of them may have been waiting. */
  waitedMsMax: number;
  /** Whoever waits for a Postgres connection. */
  poolWaitingMax: number;
  /** How late the event loop may be for longer than a moment. */
  lagMsMax: number;
  /** Bytes of bodies that were received and whose requests are not answered. */
  bodiesBytesMax: number;
}

export interface OverloadSettings {
  databasePoolMax: number;
  bodiesBytesMax: number;
}

export function overloadLimits({ databasePoolMax, bodiesBytesMax }: OverloadSettings): OverloadLimits {
  return {
    waitingMax: deliveriesWaitingMax,
    // A commit takes some ten milliseconds. Where nothing is taken up for so long, Postgres stands still: who comes now
    // would only wait for a timeout.
    waitedMsMax: 3_000,
    // Reading a customer or a key takes a millisecond or two: what waits behind fifty for each connection is late already.
    poolWaitingMax: 50 * databasePoolMax,
    // Three times the accept latency that is promised for one in a hundred.
    lagMsMax: 500,
    bodiesBytesMax,
  };
}
