import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { claimDataFolder } from './data-folder-claim.js';

describe('claimDataFolder', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(path.join(tmpdir(), 'posthorn-test-'));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  it('gives the folder to one of many who ask at once, and to the next after its release', async () => {
    const outcomes = await Promise.allSettled(Array.from({ length: 20 }, () => claimDataFolder(folder)));
    const won = outcomes.filter((outcome) => outcome.status === 'fulfilled');
    expect(won).toHaveLength(1);
    await won[0]!.value();
    await (
      await claimDataFolder(folder)
    )();
    expect(readdirSync(folder)).toEqual([]);
  });

  it.each([
    ['whose id belongs to a later process', JSON.stringify({ pid: process.ppid, startedAt: 'before' })],
    ['that is gone', JSON.stringify({ pid: 2 ** 22 + 1, startedAt: 'before' })],
    ['that was cut off while writing it', '{"pid":'],
  ])('does not heed the claim of a process %s', async (_, claim) => {
    writeFileSync(path.join(folder, 'claim.json'), claim);
    const outcomes = await Promise.allSettled(Array.from({ length: 20 }, () => claimDataFolder(folder)));
    expect(outcomes.filter((outcome) => outcome.status === 'fulfilled')).toHaveLength(1);
  });
});
