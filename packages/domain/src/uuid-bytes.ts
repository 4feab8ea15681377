/** Writes the 16 bytes of a canonical lower-case uuid into `target` at `offset`; throws TypeError on any other text. */
export function writeUuidBytes(uuid: string, target: Uint8Array, offset: number): void {
  if (uuid.length !== 36) throw notCanonical();
  let invalid = 0;
  for (let byte = 0; byte < 16; byte++) {
    const at = digitAt[byte] as number;
    const high = nibble(uuid.charCodeAt(at));
    const low = nibble(uuid.charCodeAt(at + 1));
    invalid |= high | low;
    target[offset + byte] = (high << 4) | low;
  }
  for (const at of hyphenAt) invalid |= uuid.charCodeAt(at) === 0x2d ? 0 : 0x10;
  if (invalid > 0x0f) throw notCanonical();
}

/** The canonical lower-case text of 16 bytes. */
export function uuidOfBytes(b: Uint8Array): string {
  return (
    hex(b[0]) +
    hex(b[1]) +
    hex(b[2]) +
    hex(b[3]) +
    '-' +
    hex(b[4]) +
    hex(b[5]) +
    '-' +
    hex(b[6]) +
    hex(b[7]) +
    '-' +
    hex(b[8]) +
    hex(b[9]) +
    '-' +
    hex(b[10]) +
    hex(b[11]) +
    hex(b[12]) +
    hex(b[13]) +
    hex(b[14]) +
    hex(b[15])
  );
}

const hexPairs = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'));
const nibbleOf = Uint8Array.from({ length: 256 }, (_, code) => {
  const nibble = '0123456789abcdef'.indexOf(String.fromCharCode(code));
  return nibble === -1 ? 0x10 : nibble;
});
const digitAt = Uint8Array.of(0, 2, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26, 28, 30, 32, 34);
const hyphenAt = Uint8Array.of(8, 13, 18, 23);

function nibble(code: number): number {
  return code < 256 ? (nibbleOf[code] as number) : 0x10;
}

function hex(byte: number | undefined): string {
  return hexPairs[byte as number] as string;
}

function notCanonical(): TypeError {
  return new TypeError('Not a canonical lower-case uuid');
}
