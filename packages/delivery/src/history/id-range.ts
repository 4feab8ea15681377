import { firstUuidAt, lastUuidAt, uuidTimeMs } from '@posthorn/domain';

export interface IdRangeQuery {
  /** Exclusive: the id where the page before ended. */
  before: string | null;
  /** Inclusive. */
  sinceMs?: number;
  /** Exclusive. */
  untilMs?: number;
  /** Deliveries share the time of their event, so an event's deliveries are one millisecond's worth of ids. */
  eventId?: string;
}

export interface IdRange {
  gte?: string;
  lt?: string;
  lte?: string;
}

/** Times as id bounds, so that partitions are pruned and one index serves both. Canonical uuids sort as text like as bytes. */
export function idRange({ before, sinceMs, untilMs, eventId }: IdRangeQuery): IdRange {
  const eventMs = eventId === undefined ? undefined : uuidTimeMs(eventId);
  const lower = [sinceMs, eventMs].filter((ms) => ms !== undefined).map(firstUuidAt);
  const upper = untilMs === undefined ? [] : [firstUuidAt(untilMs)];
  if (before !== null) upper.push(before);
  return {
    ...(lower.length > 0 && { gte: lower.sort().at(-1) }),
    ...(upper.length > 0 && { lt: upper.sort()[0] }),
    ...(eventMs !== undefined && { lte: lastUuidAt(eventMs) }),
  };
}

/** The same range, cut off below `floor` (which stays in). */
export function raisedTo(range: IdRange, floor: string | null): IdRange {
  if (floor === null || (range.gte !== undefined && range.gte > floor)) return range;
  return { ...range, gte: floor };
}
