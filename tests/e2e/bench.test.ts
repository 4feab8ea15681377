import { describe, expect, it } from '@jest/globals';
import { spawn } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';

const SCENARIOS = path.resolve(import.meta.dirname, '../../bench/dist/scenarios');

interface Round {
  accepted: number;
  delivered: number;
}

interface Results {
  targets: { name: string }[];
  lost: string[];
  data: {
    full: Record<string, Round[]>;
    batched: Round[];
    accepting: { single: number; batches: number }[];
  };
}

describe('a benchmark', () => {
  it('runs Posthorn, the bare floor and the naive service in one run, loses nothing, and leaves JSON and charts', async () => {
    const folder = await mkdtemp(path.join(os.tmpdir(), 'posthorn-bench-test-'));
    try {
      const size = ['--seconds', '1', '--warmup', '0.2', '--customers', '5', '--connections', '8'];
      const { code, said } = await run('throughput.js', ['--short', ...size, '--output', folder]);
      expect({ code, said: code === 0 ? '' : said }).toEqual({ code: 0, said: '' });

      const files = await readdir(folder);
      const json = files.find((file) => file.endsWith('.json')) ?? '';
      const { targets, lost, data } = JSON.parse(await readFile(path.join(folder, json), 'utf8')) as Results;
      expect(lost).toEqual([]);
      for (const { name } of targets) expect(said).toContain(name);
      for (const contestant of ['posthorn', 'floor', 'naive']) {
        const [round] = data.full[contestant] ?? [];
        expect(round?.accepted).toBeGreaterThan(0);
        expect(round?.delivered).toBe(round?.accepted);
      }
      expect(data.batched[0]?.delivered).toBeGreaterThan(0);
      expect(data.accepting[0]?.single).toBeGreaterThan(0);
      expect(data.accepting[0]?.batches).toBeGreaterThan(0);

      const charts = files.filter((file) => file.endsWith('.svg'));
      expect(charts.length).toBeGreaterThan(0);
      for (const chart of charts) expect(await readFile(path.join(folder, chart), 'utf8')).toContain('<svg');
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  }, 300_000);

  it.each([
    { args: ['--help'], code: 0, told: 'npm run bench:throughput' },
    { args: ['--secs', '1'], code: 2, told: "Unknown option '--secs'" },
    { args: ['--seconds', 'few'], code: 2, told: '--seconds must be a number' },
  ])('tells what can be set, and starts nothing: $args', async ({ args, code, told }) => {
    const ended = await run('throughput.js', args);
    expect(ended.code).toBe(code);
    expect(ended.said).toContain(told);
    expect(ended.said).toContain('--rounds N');
    expect(ended.said).not.toContain('load before');
  });

  it('replays dead letters beside quiet customers, and finds every one of them delivered', async () => {
    const folder = await mkdtemp(path.join(os.tmpdir(), 'posthorn-bench-test-'));
    try {
      const size = ['--letters', '20', '--rate-limit', '20', '--quiet-customers', '3'];
      const time = ['--stretch-seconds', '1', '--warmup', '0.2'];
      const { code, said } = await run('replay-storm.js', ['--short', ...size, ...time, '--output', folder]);
      expect({ code, said: code === 0 ? '' : said }).toEqual({ code: 0, said: '' });
      const json = (await readdir(folder)).find((file) => file.endsWith('.json')) ?? '';
      const { data } = JSON.parse(await readFile(path.join(folder, json), 'utf8')) as {
        data: { replay: object };
      };
      expect(data.replay).toMatchObject({ state: 'completed', matched: 20, done: 20, failed: 0 });
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  }, 300_000);

  it('loads a history and asks the API for everything in it, at three sizes', async () => {
    const folder = await mkdtemp(path.join(os.tmpdir(), 'posthorn-bench-test-'));
    try {
      const size = ['--deliveries', '3000', '--requests', '1'];
      const { code, said } = await run('history.js', ['--short', ...size, '--output', folder]);
      expect({ code, said: code === 0 ? '' : said }).toEqual({ code: 0, said: '' });
      const json = (await readdir(folder)).find((file) => file.endsWith('.json')) ?? '';
      const { targets, data } = JSON.parse(await readFile(path.join(folder, json), 'utf8')) as {
        targets: object[];
        data: { sizes: { history: { deliveries: number }; kinds: { name: string; rows: number }[] }[] };
      };
      expect(targets).toHaveLength(3);
      const stored = data.sizes.map(({ history }) => history.deliveries);
      expect(stored.at(-1)).toBeGreaterThan(10 * stored[0]!);
      const { kinds } = data.sizes.at(-1)!;
      expect(kinds.length).toBeGreaterThan(80);
      expect(kinds.find(({ name }) => name === 'deliveries, half of everything: first page')?.rows).toBe(50);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  }, 300_000);
});

function run(file: string, args: string[]): Promise<{ code: number | null; said: string }> {
  const child = spawn(process.execPath, ['--enable-source-maps', path.join(SCENARIOS, file), ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  process.once('exit', () => child.kill('SIGTERM'));
  let said = '';
  child.stdout.on('data', (chunk: Buffer) => (said += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (said += chunk.toString()));
  return new Promise((resolve) => child.once('close', (code) => resolve({ code, said })));
}
