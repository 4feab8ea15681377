import { describe, expect, it } from '@jest/globals';
import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';

const MAIN = path.resolve(import.meta.dirname, '../../bench/dist/chaos/main.js');

interface Report {
  faults: { kind: string; untilMs: number | null }[];
  accepted: number;
  eventsInPostgres: number;
  deliveries: Record<string, number>;
  lost: string[];
  duplicates: { unexplained: unknown[] };
  ledger: { accepted: number; counted: number; balances: boolean };
  failures: string[];
}

describe('a minute of faults', () => {
  it('loses no accepted event, sends none twice without a cause, and the ledger balances', async () => {
    const folder = await mkdtemp(path.join(os.tmpdir(), 'posthorn-chaos-test-'));
    try {
      const output = path.join(folder, 'report.json');
      const { code, said } = await run(['--minutes', '1', '--seed', '1', '--rate', '20', '--output', output]);
      const { report } = JSON.parse(await readFile(output, 'utf8')) as { report: Report };

      expect({ failures: report.failures, said: code === 0 ? '' : said }).toEqual({ failures: [], said: '' });
      expect(report.lost).toEqual([]);
      expect(report.duplicates.unexplained).toEqual([]);
      expect(report.ledger.balances).toBe(true);
      expect(report.eventsInPostgres).toBe(report.accepted);

      // That it was put to the test at all.
      expect(report.faults.length).toBeGreaterThan(5);
      expect(report.faults.every(({ untilMs }) => untilMs !== null)).toBe(true);
      expect(report.deliveries['delivered']).toBeGreaterThan(500);
      expect(report.ledger.accepted).toBe(2 * report.accepted);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  }, 420_000);
});

function run(args: string[]): Promise<{ code: number | null; said: string }> {
  const child = spawn(process.execPath, ['--enable-source-maps', MAIN, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  process.once('exit', () => child.kill('SIGTERM'));
  let said = '';
  child.stdout.on('data', (chunk: Buffer) => (said += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (said += chunk.toString()));
  return new Promise((resolve) => child.once('close', (code) => resolve({ code, said })));
}
