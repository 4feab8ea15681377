import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { claimDataFolder, successorOf } from './data-folder-claim.js';

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

  it('gives it to one of many who find a dead claim one after the other, some while others are at it', async () => {
    for (let round = 1; round <= 50; round += 1) {
      writeFileSync(path.join(folder, 'claim.json'), JSON.stringify({ pid: 2 ** 22 + 1, round }));
      const outcomes = await Promise.allSettled(
        Array.from({ length: 20 }, async () => {
          await pause(Math.random() * 5);
          return claimDataFolder(folder);
        }),
      );
      const won = outcomes.filter((outcome) => outcome.status === 'fulfilled');
      expect([round, won.length]).toEqual([round, 1]);
      await won[0]!.value();
      expect(readdirSync(folder)).toEqual([]);
    }
  }, 60_000);

  it('does not heed the claims of processes that were cut off while succeeding a dead one', async () => {
    const claims = Array.from({ length: 3 }, (_, n) => JSON.stringify({ pid: 2 ** 22 + 1, n }));
    const file = path.join(folder, 'claim.json');
    claims.forEach((claim, n) => writeFileSync(n === 0 ? file : successorOf(file, claims[n - 1]!), claim));
    const release = await claimDataFolder(folder);
    await expect(claimDataFolder(folder)).rejects.toThrow(`in use by process ${process.pid}`);
    await release();
    expect(readdirSync(folder)).toEqual([]);
  });
});
