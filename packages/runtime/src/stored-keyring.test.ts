import { mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { readOrMakeKeyring } from './stored-keyring.js';

describe('the keyring in the data folder', () => {
  let folder = '';
  beforeEach(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'posthorn-keyring-'));
  });
  afterEach(() => rm(folder, { recursive: true }));

  it('is made once, in a folder that need not exist, and stays the same', async () => {
    const dataDir = path.join(folder, 'deep', 'data');
    const made = await readOrMakeKeyring(dataDir);
    expect(made).toHaveLength(1);
    await expect(readOrMakeKeyring(dataDir)).resolves.toEqual(made);
    await expect(readdir(dataDir)).resolves.toEqual(['encryption-keys']);
  });

  it('is readable by its owner only', async () => {
    await readOrMakeKeyring(folder);
    const { mode } = await stat(path.join(folder, 'encryption-keys'));
    expect(mode & 0o777).toBe(0o600);
  });

  it('is never replaced when it cannot be read', async () => {
    await writeFile(path.join(folder, 'encryption-keys'), 'k1:broken\n');
    await expect(readOrMakeKeyring(folder)).rejects.toThrow(
      /encryption-keys cannot be used: the key k1 has \d bytes/,
    );
  });
});
