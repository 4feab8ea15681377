import { spawnSync } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';

import { readOrMakeAdminKey } from './admin-key.js';
import { apiTarget } from './api-target.js';
import { removeStoredUrl, storeUrl } from './stored-url.js';

const devUrl = 'http://127.0.0.1:9001';
let dataDir: string;
let env: Record<string, string>;
let key: string;
beforeEach(async () => {
  dataDir = await mkdtemp(path.join(tmpdir(), 'posthorn-target-'));
  env = { POSTHORN_DATA_DIR: dataDir };
  key = await readOrMakeAdminKey(dataDir);
  await storeUrl(dataDir, devUrl);
});
afterEach(() => rm(dataDir, { recursive: true, force: true }));

describe('A client command', () => {
  it('talks to the dev of this folder, wherever it listens, with its key', async () => {
    expect(await apiTarget({}, env)).toEqual({ url: devUrl, key });
    expect(await apiTarget({}, { ...env, POSTHORN_PORT: '8080' })).toEqual({ url: devUrl, key });
    expect(await apiTarget({ url: 'http://localhost:9001/' }, env)).toEqual({ url: devUrl, key });
  });

  it.each([
    'http://127.0.0.1:8080',
    'http://localhost:8080',
    'https://127.0.0.1:9001',
    'http://[::1]:9001',
    'http://posthorn.example.com:9001',
    'http://127.0.0.1.example.com:9001',
  ])('sends the stored key to no other Posthorn, such as %s', async (url) => {
    await expect(apiTarget({ url }, env)).rejects.toThrow(/API key for http\S+ is needed/);
    await expect(apiTarget({}, { ...env, POSTHORN_URL: url })).rejects.toThrow(
      /API key for http\S+ is needed/,
    );
  });

  it('says that no dev runs when it has stopped, and sends its key nowhere', async () => {
    await removeStoredUrl(dataDir, 'http://127.0.0.1:9002'); // of another that has stopped
    expect(await apiTarget({}, env)).toEqual({ url: devUrl, key });
    await removeStoredUrl(dataDir, devUrl);
    await expect(apiTarget({}, env)).rejects.toThrow(
      `No Posthorn runs in the data folder ${dataDir}: start it there (npm start), or set --url and --key.`,
    );
    expect(await apiTarget({ key: 'given' }, env)).toEqual({ url: 'http://127.0.0.1:8080', key: 'given' });
  });

  it('takes a dev that was killed for one that does not run: someone else may listen there', async () => {
    const { pid } = spawnSync(process.execPath, ['--version']);
    await writeFile(path.join(dataDir, 'url'), `${devUrl}\n${pid}\n`);
    await expect(apiTarget({}, env)).rejects.toThrow(/No Posthorn runs/);
    await expect(apiTarget({ url: devUrl }, env)).rejects.toThrow(/is needed/);
  });

  it('sends POSTHORN_ADMIN_KEY to this machine only', async () => {
    const POSTHORN_ADMIN_KEY = `phk_${'a'.repeat(20)}`;
    expect(await apiTarget({}, { ...env, POSTHORN_ADMIN_KEY })).toEqual({
      url: devUrl,
      key: POSTHORN_ADMIN_KEY,
    });
    await expect(
      apiTarget({ url: 'http://posthorn.example.com' }, { ...env, POSTHORN_ADMIN_KEY }),
    ).rejects.toThrow(/is needed/);
  });

  it('prefers an option to the environment, and the environment to what is stored', async () => {
    const given = { ...env, POSTHORN_URL: 'http://env.example', POSTHORN_API_KEY: 'env' };
    expect(await apiTarget({}, given)).toEqual({ url: 'http://env.example', key: 'env' });
    expect(await apiTarget({ url: 'http://option.example', key: 'option' }, given)).toEqual({
      url: 'http://option.example',
      key: 'option',
    });
  });

  it('says what a URL must look like', async () => {
    await expect(apiTarget({ url: 'localhost:8080', key: 'x' }, {})).rejects.toThrow(/must be like http/);
  });
});
