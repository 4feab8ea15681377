import { eventInput, type Validated, validateValue } from '@posthorn/api-contract';
import type { EventToAccept } from '@posthorn/delivery/accept';

export interface ParsedEvent {
  event: EventToAccept;
  /** Its `data`, parsed: for checking only. */
  data: unknown;
}

/**
 * The event in a parsed value. `data` is taken from the source text, never from the value: large integers, 1.0, escapes
 * and the order of keys are the producer's. `readMembers` is called for valid events only.
 */
export function toEvent(
  parsed: unknown,
  readMembers: () => Map<string, string>,
  idempotencyKey: string | null,
): Validated<ParsedEvent> {
  const event = validateValue(eventInput, parsed, { convert: false, name: 'The event' });
  if (!event.ok) return event;
  const { customerId, type, externalId = null, timestamp = null } = event.value;
  const dataSource = readMembers().get('data');
  if (dataSource === undefined) throw new Error('A validated event has no data in its source');
  return {
    ok: true,
    value: {
      event: { customerId, type, dataSource, externalId, occurredAtMs: timestamp, idempotencyKey },
      data: event.value.data,
    },
  };
}
