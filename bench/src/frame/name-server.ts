import dnsPacket from 'dns-packet';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';

export interface NameServer {
  /** `address:port`, as POSTHORN_DNS_SERVERS takes it. */
  address: string;
  close(): Promise<void>;
}

/** Names that end in `silentSuffix` are never answered for; every other name is this machine. */
export async function startNameServer(silentSuffix: string): Promise<NameServer> {
  const socket = createSocket('udp4');
  socket.on('message', (message, from) => {
    const { id, questions = [] } = dnsPacket.decode(message);
    const [question] = questions;
    if (!question || question.name.endsWith(silentSuffix)) return;
    const answers =
      question.type === 'A' ? [{ type: 'A' as const, name: question.name, ttl: 5, data: '127.0.0.1' }] : [];
    const flags = dnsPacket.RECURSION_DESIRED | dnsPacket.RECURSION_AVAILABLE;
    socket.send(
      dnsPacket.encode({ type: 'response', id, flags, questions, answers }),
      from.port,
      from.address,
    );
  });
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  return {
    address: `127.0.0.1:${socket.address().port}`,
    async close() {
      const closed = once(socket, 'close');
      socket.close();
      await closed;
    },
  };
}
