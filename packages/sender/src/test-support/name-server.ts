import { createSocket } from 'node:dgram';
import ipaddr from 'ipaddr.js';

export type NameAnswer =
  { addresses: string[]; ttl?: number } | keyof typeof responseCodes | 'malformed' | 'silence';

/** RFC 1035 section 4.1.1. */
const responseCodes = { formerr: 1, servfail: 2, nxdomain: 3, notimp: 4, refused: 5 } as const;

export interface NameServer {
  /** `ip:port`, as a resolver takes it. */
  readonly address: string;
  readonly questions: { name: string; type: 'A' | 'AAAA' }[];
  close(): Promise<void>;
}

/** A DNS server on a loopback UDP port (RFC 1035): answers A and AAAA by the function, of the matching family only. */
export async function startNameServer(
  answer: (name: string, type: 'A' | 'AAAA') => NameAnswer,
): Promise<NameServer> {
  const questions: NameServer['questions'] = [];
  const socket = createSocket('udp4');
  socket.on('message', (query, from) => {
    const { name, type, end } = readQuestion(query);
    questions.push({ name, type });
    const given = answer(name, type);
    if (given !== 'silence') socket.send(buildResponse(query, end, type, given), from.port, from.address);
  });
  await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve));
  return {
    address: `127.0.0.1:${socket.address().port}`,
    questions,
    close: () => new Promise((resolve) => socket.close(resolve)),
  };
}

function readQuestion(query: Buffer) {
  const labels: string[] = [];
  let offset = 12;
  for (let length = query.readUInt8(offset); length > 0; length = query.readUInt8(offset)) {
    labels.push(query.toString('latin1', offset + 1, offset + 1 + length));
    offset += 1 + length;
  }
  const type = query.readUInt16BE(offset + 1) === 28 ? ('AAAA' as const) : ('A' as const);
  return { name: labels.join('.').toLowerCase(), type, end: offset + 5 };
}

function buildResponse(
  query: Buffer,
  end: number,
  type: 'A' | 'AAAA',
  answer: Exclude<NameAnswer, 'silence'>,
) {
  const bytes = type === 'A' ? 4 : 16;
  const records =
    typeof answer === 'string' ? [] : answer.addresses.map(bytesOf).filter((b) => b.length === bytes);
  const responseCode = typeof answer === 'string' && answer !== 'malformed' ? responseCodes[answer] : 0;
  const header = Buffer.alloc(12);
  query.copy(header, 0, 0, 2);
  header.writeUInt16BE(0x8180 | responseCode, 2);
  header.writeUInt16BE(1, 4);
  // What announces a record and has none cannot be read.
  header.writeUInt16BE(answer === 'malformed' ? 1 : records.length, 6);
  const ttl = typeof answer === 'string' ? 0 : (answer.ttl ?? 0);
  const answers = records.map((address) => {
    const record = Buffer.alloc(12);
    record.writeUInt16BE(0xc00c, 0);
    record.writeUInt16BE(type === 'A' ? 1 : 28, 2);
    record.writeUInt16BE(1, 4);
    record.writeUInt32BE(ttl, 6);
    record.writeUInt16BE(bytes, 10);
    return Buffer.concat([record, address]);
  });
  return Buffer.concat([header, query.subarray(12, end), ...answers]);
}

function bytesOf(address: string): Buffer {
  return Buffer.from(ipaddr.parse(address).toByteArray());
}
