import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

export interface ChildScript {
  pid: number;
  /** The next line the script prints; rejects with what it said on standard error when it ends before. */
  nextLine(): Promise<string>;
  /** Resolves when the process has ended. */
  kill(signal: NodeJS.Signals): Promise<void>;
}

const typescriptSource = new URL('../../../scripts/typescript-source.mjs', import.meta.url).href;
const root = fileURLToPath(new URL('../../../', import.meta.url));

export interface ChildScriptOptions {
  env?: Readonly<Record<string, string>>;
  openFilesMax?: number;
}

/** Runs module text in a Node process of its own, for crash tests. It can import TypeScript sources by their file URL. */
export function startChildScript(
  text: string,
  { env = {}, openFilesMax }: ChildScriptOptions = {},
): ChildScript {
  const args = ['--import', typescriptSource, '--input-type=module', '--eval', text];
  const limit = openFilesMax === undefined ? '' : `ulimit -n ${openFilesMax} && `;
  const child = spawn('/bin/sh', ['-c', `${limit}exec "$0" "$@"`, process.execPath, ...args], {
    cwd: root,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...env },
  });
  const ended = once(child, 'exit');
  let complaint = '';
  child.stderr.setEncoding('utf8').on('data', (said: string) => (complaint += said));
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
  return {
    pid: child.pid!,
    nextLine: async () => {
      const line = (await lines.next()) as IteratorResult<string, undefined>;
      if (line.done === true) throw new Error(`the script ended: ${complaint}`);
      return line.value;
    },
    kill: async (signal) => {
      child.kill(signal);
      await ended;
    },
  };
}
