import { hash } from 'node:crypto';
import { writeUuidBytes } from './uuid-bytes.js';

/**
 * The id of the one delivery of an event to an endpoint: a UUIDv7 with the event's time, so that it lands in the event's
 * partition, and a hash of the pair in place of randomness, so that the primary key alone keeps a pair from getting two.
 * The schema repeats this rule in SQL and checks it on every row: change both or neither.
 */
export function deliveryIdOf(eventId: string, endpointId: string): string {
  writeUuidBytes(eventId, pair, 0);
  writeUuidBytes(endpointId, pair, 16);
  const digest = hash('sha256', pair, 'hex');
  const variant = ((Number.parseInt(digest.charAt(4), 16) & 0x3) | 0x8).toString(16);
  return `${eventId.slice(0, 13)}-7${digest.slice(1, 4)}-${variant}${digest.slice(5, 8)}-${digest.slice(8, 20)}`;
}

const pair = new Uint8Array(32);
