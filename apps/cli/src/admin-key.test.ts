import { mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';

import { storedAdminKey, readOrMakeAdminKey, replaceAdminKey } from './admin-key.js';

let dataDir: string;
beforeEach(async () => {
  dataDir = await mkdtemp(path.join(tmpdir(), 'posthorn-key-'));
});
afterEach(() => rm(dataDir, { recursive: true, force: true }));

describe('The stored admin key', () => {
  it('is created once by callers at the same moment, and only its owner can read it', async () => {
    const keys = await Promise.all(Array.from({ length: 8 }, () => readOrMakeAdminKey(dataDir)));
    expect(new Set(keys).size).toBe(1);
    expect(await readOrMakeAdminKey(dataDir)).toBe(keys[0]);
    expect(await readdir(dataDir)).toEqual(['admin-key']);
    expect((await stat(path.join(dataDir, 'admin-key'))).mode & 0o777).toBe(0o600);
  });

  it('is replaced by one that is stored in the same way', async () => {
    const first = await readOrMakeAdminKey(dataDir);
    const second = await replaceAdminKey(dataDir);
    expect(second).not.toBe(first);
    expect(await readOrMakeAdminKey(dataDir)).toBe(second);
    expect(await readdir(dataDir)).toEqual(['admin-key']);
    expect((await stat(path.join(dataDir, 'admin-key'))).mode & 0o777).toBe(0o600);
  });

  it('is not made by looking for it', async () => {
    expect(await storedAdminKey(dataDir)).toBeNull();
    expect(await storedAdminKey(path.join(dataDir, 'nowhere'))).toBeNull();
  });

  it('that was damaged is not replaced silently', async () => {
    await writeFile(path.join(dataDir, 'admin-key'), 'phk_\n');
    await expect(readOrMakeAdminKey(dataDir)).rejects.toThrow(/holds no API key/);
  });
});
