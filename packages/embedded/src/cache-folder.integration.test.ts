import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { buildOnce } from './cache-folder.js';

describe('buildOnce', () => {
  let cache: string;
  beforeEach(() => {
    cache = mkdtempSync(path.join(tmpdir(), 'posthorn-test-'));
  });
  afterEach(() => rmSync(cache, { recursive: true }));

  it('keeps one finished folder when several callers build it at once', async () => {
    const build = (content: string) =>
      buildOnce(path.join(cache, 'program'), (unfinished) =>
        writeFile(path.join(unfinished, 'file'), content),
      );
    await Promise.all([build('a'), build('b'), build('c')]);
    expect(readdirSync(cache)).toEqual(['program']);
    expect(readFileSync(path.join(cache, 'program/file'), 'utf8')).toMatch(/^[abc]$/);
  });

  it('leaves nothing behind when building fails', async () => {
    const broken = async (unfinished: string) => {
      await writeFile(path.join(unfinished, 'half'), '');
      throw new Error('no network');
    };
    await expect(buildOnce(path.join(cache, 'program'), broken)).rejects.toThrow('no network');
    expect(readdirSync(cache)).toEqual([]);
  });
});
