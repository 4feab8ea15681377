import { randomFillSync } from 'node:crypto';
import { uuidOfBytes, writeUuidBytes } from './uuid-bytes.js';

/**
 * A UUIDv7 (RFC 9562) that carries exactly `nowMs`. Ids made by this process in one millisecond ascend: the 32 bits after
 * the time are a counter (method 1 of section 6.2) that starts at a random value with room for 2^31 more; the 42 bits
 * after it are random. A clock that steps back is followed, not papered over: partitions are chosen by an id's time.
 */
export function createUuidV7(nowMs: number): string {
  const ms = Math.trunc(nowMs);
  if (!(ms >= 0 && ms <= timeMsMax)) throw new RangeError('The time does not fit a UUIDv7');
  counter = ms === counterMs ? (counter + 1) >>> 0 : randomBits() >>> 1;
  counterMs = ms;
  if (poolAt > pool.length - 6) refillPool();
  bytes.set(pool.subarray(poolAt, poolAt + 6), 10);
  poolAt += 6;
  writeTime(ms);
  bytes[6] = 0x70 | (counter >>> 28);
  bytes[7] = counter >>> 20;
  bytes[8] = 0x80 | ((counter >>> 14) & 0x3f);
  bytes[9] = counter >>> 6;
  bytes[10] = ((counter & 0x3f) << 2) | ((bytes[10] as number) & 0x03);
  return uuidOfBytes(bytes);
}

/** The TypeID (spec 0.3) of a uuid: `evt_` and 26 characters. Throws TypeError when `uuid` is not canonical: a bug of ours. */
export function encodeId(prefix: string, uuid: string): string {
  writeUuidBytes(uuid, bytes, 0);
  let text = `${prefix}_`;
  // 128 bits behind two zero bits are 13 groups of ten, each two characters.
  let gathered = 0;
  let bits = 2;
  for (let i = 0; i < 16; i++) {
    gathered = ((gathered << 8) | (bytes[i] as number)) & 0x3ffff;
    bits += 8;
    if (bits >= 10) {
      bits -= 10;
      text += pairs[(gathered >>> bits) & 0x3ff] as string;
    }
  }
  return text;
}

/**
 * The uuid of a TypeID with this prefix, or null. Strict: lower case only, none of Crockford's look-alikes (i, l, o),
 * no value past 128 bits, so that one id has one spelling.
 */
export function decodeId(prefix: string, text: string): string | null {
  const start = prefix.length + 1;
  if (text.length !== start + 26 || !text.startsWith(prefix) || text.charCodeAt(prefix.length) !== 0x5f)
    return null;
  let gathered = digit(text, start);
  if (gathered > 7) return null;
  let invalid = 0;
  let bits = 3;
  let byte = 0;
  for (let i = start + 1; i < text.length; i++) {
    const value = digit(text, i);
    invalid |= value;
    gathered = ((gathered << 5) | (value & 0x1f)) & 0x1fff;
    bits += 5;
    if (bits >= 8) {
      bits -= 8;
      bytes[byte++] = gathered >>> bits;
    }
  }
  return invalid > 0x1f ? null : uuidOfBytes(bytes);
}

/** The time in a UUIDv7, in ms since the epoch. */
export function uuidTimeMs(uuid: string): number {
  return Number.parseInt(uuid.slice(0, 8) + uuid.slice(9, 13), 16);
}

/** The lowest UUIDv7 of a millisecond: no id made at `ms` or later is below it. Times out of range are clamped. */
export function firstUuidAt(ms: number): string {
  return `${timeText(ms)}-7000-8000-000000000000`;
}

/** The highest UUIDv7 of a millisecond: no id made at `ms` or before is above it. Times out of range are clamped. */
export function lastUuidAt(ms: number): string {
  return `${timeText(ms)}-7fff-bfff-ffffffffffff`;
}

const timeMsMax = 2 ** 48 - 1;
const alphabet = '0123456789abcdefghjkmnpqrstvwxyz';
const pairs = Array.from(
  { length: 1024 },
  (_, value) => alphabet.charAt(value >>> 5) + alphabet.charAt(value & 31),
);
const digitOf = Uint8Array.from({ length: 128 }, (_, code) => {
  const value = alphabet.indexOf(String.fromCharCode(code));
  return value === -1 ? 0x20 : value;
});

// Scratch space: every function that uses it is synchronous and leaves nothing in it for the next.
const bytes = new Uint8Array(16);
// One call into OpenSSL per some hundred ids instead of one per id.
const pool = new Uint8Array(4096);
let poolAt = pool.length;
let counter = 0;
let counterMs = -1;

function randomBits(): number {
  if (poolAt > pool.length - 4) refillPool();
  const value =
    ((pool[poolAt] as number) << 24) |
    ((pool[poolAt + 1] as number) << 16) |
    ((pool[poolAt + 2] as number) << 8) |
    (pool[poolAt + 3] as number);
  poolAt += 4;
  return value;
}

function refillPool(): void {
  randomFillSync(pool);
  poolAt = 0;
}

function writeTime(ms: number): void {
  const high = Math.floor(ms / 0x100000000);
  const low = ms >>> 0;
  bytes[0] = high >>> 8;
  bytes[1] = high;
  bytes[2] = low >>> 24;
  bytes[3] = low >>> 16;
  bytes[4] = low >>> 8;
  bytes[5] = low;
}

function digit(text: string, at: number): number {
  const code = text.charCodeAt(at);
  return code < 128 ? (digitOf[code] as number) : 0x20;
}

function timeText(ms: number): string {
  const clamped = Math.min(Math.max(Math.trunc(ms), 0), timeMsMax);
  const text = clamped.toString(16).padStart(12, '0');
  return `${text.slice(0, 8)}-${text.slice(8)}`;
}
