import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';

export interface Child<Hello> {
  pid: number;
  /** What it said first: its port, say. */
  hello: Hello;
  /** Sends a message and resolves with the answer to it. */
  ask<Answer>(message: unknown): Promise<Answer>;
  stop(): Promise<void>;
}

interface Envelope {
  id: number;
  content: unknown;
}

const alive = new Set<ChildProcess>();
// However this process ends, nothing of it is left running.
process.once('exit', () => {
  for (const child of alive) child.kill('SIGKILL');
});

/** Starts one of our own programs; resolves when it has said its first word. */
export async function startChild<Hello = undefined>(
  file: URL,
  { env = {}, cwd }: { env?: Record<string, string>; cwd?: string } = {},
): Promise<Child<Hello>> {
  const child = fork(file, { cwd, env: { PATH: process.env['PATH'], ...env } });
  killAtExit(child);
  const waiting = new Map<number, (answer: unknown) => void>();
  let asked = 0;
  const ended = once(child, 'exit').then(() => {
    throw new Error(`${file.pathname} ended`);
  });
  ended.catch(() => undefined);
  const [hello] = (await Promise.race([once(child, 'message'), ended])) as [Hello];
  child.on('message', ({ id, content }: Envelope) => {
    waiting.get(id)?.(content);
    waiting.delete(id);
  });
  return {
    pid: child.pid ?? 0,
    hello,
    ask<Answer>(message: unknown) {
      const id = ++asked;
      const answered = new Promise<Answer>((resolve) => {
        waiting.set(id, resolve as (answer: unknown) => void);
      });
      child.send({ id, content: message } satisfies Envelope);
      return Promise.race([answered, ended]);
    },
    stop: () => endChild(child),
  };
}

/** In the child: says the first word, then answers what it is asked. It ends with its parent. */
export function answerParent(hello: unknown, answer: (message: unknown) => unknown): void {
  process.on('message', ({ id, content }: Envelope) => {
    void Promise.resolve(answer(content)).then((answered) =>
      process.send?.({ id, content: answered ?? null } satisfies Envelope),
    );
  });
  process.on('disconnect', () => process.exit());
  process.send?.(hello);
}

export function killAtExit(child: ChildProcess): void {
  alive.add(child);
  child.once('exit', () => alive.delete(child));
}

export async function endChild(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, 'exit');
  child.kill('SIGTERM');
  await exited;
}
