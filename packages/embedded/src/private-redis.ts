import { chown, mkdir } from 'node:fs/promises';
import { connect } from 'node:net';
import path from 'node:path';
import { openDataFolder, type DataFolder } from './data-folder.js';
import { stopLeftoverServer } from './leftover-server.js';
import { findRedis } from './find-redis.js';
import { redisEnvironment, type RedisProgram } from './redis-program.js';
import { startServer, type ServerProcess } from './server-process.js';
import { startOnFreePort } from './start-on-free-port.js';

export interface PrivateRedisOptions {
  /** Where password, log and (if persistent) data live; without one it is a temporary folder, removed at the end. */
  dataDir?: string;
  /** A free one by default. */
  port?: number;
  /** Keeps an append-only file, written down every second. Without it everything is gone with the process. */
  persistent?: boolean;
  /** Lines of its configuration beside ours. */
  settings?: readonly string[];
  /** Whether the server stops when this process dies without calling stop(); true by default. */
  stopWithParent?: boolean;
  /** Gives a start up that is under way, and rejects. */
  signal?: AbortSignal;
}

export interface PrivateRedis {
  url: string;
  pid: number;
  port: number;
  logFile: string;
  /** Settles when the server has ended, for whatever reason, and its folder may be used again. */
  ended: Promise<void>;
  /** Where the program came from. */
  from: RedisProgram['from'];
  stop: () => Promise<void>;
}

/**
 * A Redis of our own on loopback, password-protected, which refuses writes rather than evict. A server left over on
 * the same folder by a killed process is stopped and its data taken over.
 */
export async function startPrivateRedis(options: PrivateRedisOptions = {}): Promise<PrivateRedis> {
  const folder = await openDataFolder(options.dataDir, 'redis');
  try {
    const program = await findRedis(folder.runAs);
    await stopLeftoverServer({
      folder: folder.serverFolder,
      pidFile: path.join(folder.serverFolder, 'redis.pid'),
      programs: ['redis-server', 'valkey-server'],
      stopSignal: 'SIGTERM',
    });
    await mkdir(folder.serverFolder, { recursive: true, mode: 0o700 });
    if (folder.runAs !== undefined) await chown(folder.serverFolder, folder.runAs.uid, folder.runAs.gid);
    const { server, port } = await startOnFreePort(options.port, (wanted) =>
      start(program, folder, wanted, options),
    );
    const ended = server.ended.then(() => folder.release());
    return {
      url: `redis://:${folder.password}@127.0.0.1:${port}`,
      pid: server.pid,
      port,
      logFile: folder.logFile,
      ended,
      from: program.from,
      stop: async () => {
        await server.stop();
        await ended;
      },
    };
  } catch (error) {
    await folder.release();
    throw error;
  }
}

function start(
  program: RedisProgram,
  folder: DataFolder,
  port: number,
  { persistent = false, stopWithParent = true, settings: given = [], signal }: PrivateRedisOptions,
): Promise<ServerProcess> {
  // Relative paths only: the user it runs as may not be able to walk down to its folder.
  const settings = [
    `port ${port}`,
    'bind 127.0.0.1',
    `requirepass ${folder.password}`,
    'pidfile redis.pid',
    'save ""',
    `appendonly ${persistent ? 'yes' : 'no'}`,
    'appendfsync everysec',
    'maxmemory-policy noeviction',
    ...given,
  ];
  const command = {
    name: 'Redis',
    program: program.path,
    args: ['-'],
    input: `${settings.join('\n')}\n`,
    cwd: folder.serverFolder,
    env: redisEnvironment(program),
    runAs: folder.runAs,
    logFile: folder.logFile,
    stopSignal: 'SIGTERM' as const,
    stopWithParent,
    temporaryFolder: folder.temporary ? folder.path : null,
    signal,
  };
  return startServer(command, (pid) => isReady(pid, port, folder.password));
}

/** False while nothing listens, while it loads its data, and when it is another server that has the port. */
function isReady(pid: number, port: number, password: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    let reply = '';
    socket.setTimeout(2_000, () => socket.destroy());
    socket.once('error', () => undefined);
    socket.once('close', () => resolve(reply.includes(`process_id:${pid}\r\n`) && reply.includes('+PONG')));
    socket.setEncoding('utf8').on('data', (text: string) => (reply += text));
    socket.write(`AUTH ${password}\r\nINFO server\r\nPING\r\nQUIT\r\n`);
  });
}
