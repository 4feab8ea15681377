import { readFile, rename, writeFile } from 'node:fs/promises';
import path from 'node:path';

/** What the demo keeps between starts, so that its one endpoint stays good. */
export interface StoredDemo {
  port: number;
  secret: string;
  /** Shows that somebody else rotated the secret. */
  secretCreatedAt: string;
}

/** Null at the first start, and when the file cannot be understood: the demo then puts its endpoint right. */
export async function readStoredDemo(dataDir: string): Promise<StoredDemo | null> {
  try {
    const { port, secret, secretCreatedAt } = JSON.parse(
      await readFile(fileIn(dataDir), 'utf8'),
    ) as StoredDemo;
    const sound =
      Number.isInteger(port) && [secret, secretCreatedAt].every((text) => typeof text === 'string');
    return sound ? { port, secret, secretCreatedAt } : null;
  } catch {
    return null;
  }
}

export async function storeDemo(dataDir: string, demo: StoredDemo): Promise<void> {
  const unfinished = `${fileIn(dataDir)}.${process.pid}`;
  await writeFile(unfinished, `${JSON.stringify(demo)}\n`, { mode: 0o600 });
  await rename(unfinished, fileIn(dataDir));
}

function fileIn(dataDir: string): string {
  return path.join(dataDir, 'demo.json');
}
