import { mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { finished } from 'node:stream/promises';
import { createLogger } from '@posthorn/runtime';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';

import { logFileName, openLogFile } from './data-folder.js';

describe("The log of dev's data folder", () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(path.join(tmpdir(), 'posthorn-log-'));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  it('holds what was logged when it is closed', async () => {
    const log = await openLogFile(folder);
    const logger = createLogger({ level: 'info', role: 'test', destination: log });
    for (const n of [1, 2, 3]) logger.info('line', { n });
    await finished(log.end());
    expect(readFileSync(path.join(folder, logFileName), 'utf8').trim().split('\n')).toHaveLength(3);
  });

  it('on a full disk fails neither a line nor the end', async () => {
    symlinkSync('/dev/full', path.join(folder, logFileName));
    const log = await openLogFile(folder);
    const logger = createLogger({ level: 'info', role: 'test', destination: log });
    for (const n of [1, 2, 3]) logger.info('line', { n });
    await expect(finished(log.end())).resolves.toBeUndefined();
  });
});
