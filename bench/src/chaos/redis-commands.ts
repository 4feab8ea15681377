import { connect } from 'node:net';

/** Sends commands to a Redis and resolves with its raw replies. */
export function redisCommands(url: string, commands: readonly string[]): Promise<string> {
  const { hostname, port, password } = new URL(url);
  return new Promise((resolve, reject) => {
    const socket = connect(Number(port), hostname);
    let replies = '';
    socket.setTimeout(5_000, () => socket.destroy(new Error('Redis did not answer')));
    socket.once('error', reject);
    socket.once('close', () => resolve(replies));
    socket.setEncoding('utf8').on('data', (text: string) => (replies += text));
    socket.write([`AUTH ${password}`, ...commands, 'QUIT', ''].join('\r\n'));
  });
}
