export interface EnvelopeParts {
  /** The event's TypeID. */
  readonly id: string;
  readonly type: string;
  /** ISO 8601, UTC. */
  readonly timestamp: string;
  /** The JSON source of `data` as the producer wrote it; it is never parsed and written again. */
  readonly dataSource: string;
}

/**
 * The body sent to endpoints: `{"id","type","timestamp","data"}` in this order, `data` unchanged, so that
 * 12345678901234567890 and 1.0 survive. Built once, stored, and sent as stored at every attempt.
 */
export function buildEnvelope({ id, type, timestamp, dataSource }: EnvelopeParts): string {
  return `{"id":${JSON.stringify(id)},"type":${JSON.stringify(type)},"timestamp":${JSON.stringify(timestamp)},"data":${dataSource}}`;
}
