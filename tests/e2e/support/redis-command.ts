import { once } from 'node:events';
import { connect } from 'node:net';

/** Sends one command to a Redis that wants a password; resolves with its reply: a status, a number or a text. */
export async function redisCommand(url: string, command: string): Promise<string> {
  const { hostname, port, password } = new URL(url);
  const socket = connect(Number(port), hostname).setEncoding('utf8');
  let reply = '';
  socket.on('data', (text: string) => (reply += text));
  socket.write(`AUTH ${password}\r\n${command}\r\nQUIT\r\n`);
  await once(socket, 'close');
  const [, answer = '', ...text] = reply.split('\r\n');
  if (answer.startsWith('$')) return text[0] ?? '';
  if (!/^[+:]/.test(answer)) throw new Error(reply);
  return answer.slice(1);
}
