import { connect, createServer, type AddressInfo, type Socket } from 'node:net';

/**
 * A TCP proxy in front of Redis that can hold back the requests or replies of one named connection, to put an event exactly
 * between the two.
 */
export async function redisProxy(url: string, connectionName: string) {
  const target = new URL(url);
  const requests = new Valve();
  const replies = new Valve();
  const sockets = new Set<Socket>();
  const server = createServer((client) => {
    const redis = connect(Number(target.port), target.hostname);
    let held = false;
    client.on('data', (data) => {
      // ioredis names its connection in the handshake.
      held ||= data.includes(connectionName);
      if (held) requests.pass(data, redis);
      else redis.write(data);
    });
    redis.on('data', (data) => {
      if (held) replies.pass(data, client);
      else client.write(data);
    });
    for (const socket of [client, redis]) {
      sockets.add(socket);
      socket.setNoDelay();
      socket
        .on('error', () => undefined)
        .on('close', () => {
          client.destroy();
          redis.destroy();
        });
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const own = new URL(url);
  own.port = String((server.address() as AddressInfo).port);
  return {
    url: own.href,
    requests,
    replies,
    close: () => {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}

class Valve {
  readonly #kept: { data: Buffer; to: Socket }[] = [];
  #closed = false;

  hold(): void {
    this.#closed = true;
  }

  /** What is held back, as text. */
  held(): string {
    return Buffer.concat(this.#kept.map(({ data }) => data)).toString('latin1');
  }

  /** What was held back arrives in one piece. */
  open(): void {
    this.#closed = false;
    const [first] = this.#kept;
    if (first) first.to.write(Buffer.concat(this.#kept.splice(0).map(({ data }) => data)));
  }

  pass(data: Buffer, to: Socket): void {
    if (this.#closed) this.#kept.push({ data, to });
    else to.write(data);
  }
}
