import { Pool } from 'undici';

import type { Chart } from '../frame/chart.js';
import { percentiles, type Percentiles } from '../frame/percentile.js';
import { readProcessUsage, readTreeCpuMs } from '../frame/process-usage.js';
import { startPosthorn, type Posthorn } from '../frame/posthorn.js';
import { runScenario } from '../frame/run-scenario.js';
import { openStage } from '../frame/stage.js';
import type { Table } from '../frame/table.js';
import { atMost, rounded, type Target } from '../frame/target.js';
import { type History, HISTORY_DAYS, loadCustomers, loadHistory } from './history-data.js';
import { type Ask, makeQueries, type QueryKind, rareLists } from './history-queries.js';

const P95_MAX_MS = 50;
/** Each is asked so often before it counts: connections, plans, code that is not compiled yet. */
const WARM_UP = 3;
/** A list is followed over so many pages. */
const PAGES_MAX = 200;
/** Partitions that are made ahead, and today's. */
const DAYS_AHEAD = 15;

interface Measured {
  name: string;
  ms: Percentiles;
  /** Of Posthorn and Postgres for each request, on average. What else runs on the machine makes no difference to it. */
  cpuMs: number;
  /** Rows of a page, the middle one. */
  rows: number;
}

interface Walk {
  name: string;
  pages: number;
  toFirstMatch: number | null;
  matches: number;
  ended: boolean;
  slowestMs: number;
}

interface Size {
  history: History;
  kinds: Measured[];
  walks: Walk[];
}

await runScenario({
  name: 'history',
  about: 'how long the API takes to answer about what was delivered, by how much is stored',
  minutesMax: { long: 90, short: 5 },
  settings: {
    /** The greatest of three sizes; the others are a tenth and a hundredth of it. */
    deliveries: { long: 10_000_000, short: 100_000 },
    /** Of each kind, at each size; one after the other. */
    requests: { long: 200, short: 10 },
  },
  async run({ settings, say, onEnd }) {
    const stage = await openStage({ postgresSettings: { max_wal_size: '8GB' } });
    onEnd(stage.stop);
    // Nothing is delivered here: a worker would take up what the history has waiting.
    const posthorn = await startPosthorn(stage, { workers: 0, partitionDays: HISTORY_DAYS + DAYS_AHEAD });
    const pools = {
      console: new Pool(posthorn.console.origin, { connections: 1 }),
      ingest: new Pool(posthorn.ingest.origin, { connections: 1 }),
    };
    stage.onStop(() => Promise.all([pools.console.close(), pools.ingest.close()]));
    const ask: Ask = async <Answer>(path: string) =>
      JSON.parse((await timed(pools.console, posthorn, path)).text) as Answer;

    const readCpuMs = (): number =>
      readTreeCpuMs(stage.postgresPid) +
      readProcessUsage(posthorn.console.pid).cpuMs +
      readProcessUsage(posthorn.ingest.pid).cpuMs;

    const endpoints = await loadCustomers(posthorn.pool);
    const untilMs = Date.now();
    const sizes: Size[] = [];
    for (const share of [100, 10, 1]) {
      const history = await loadHistory(posthorn.pool, Math.ceil(settings.deliveries / share), untilMs);
      say(`${describe(history)}, loaded in ${history.seconds} s`);
      const queries = await makeQueries(posthorn.pool, ask, history, endpoints, settings.requests);
      const kinds = await measure(queries, settings.requests, readCpuMs, (kind, path) =>
        timed(pools[kind.role], posthorn, path),
      );
      const slowest = slowestOf(kinds);
      say(
        `  ${kinds.length} kinds of queries; p95 of the slowest: ${slowest.ms.p95} ms, with ${slowest.cpuMs} ms of CPU (${slowest.name})`,
      );
      const walks: Walk[] = [];
      for (const list of rareLists(endpoints))
        walks.push(await walk(list, (path) => timed(pools.console, posthorn, path)));
      sizes.push({ history, kinds, walks });
    }
    return {
      lost: [],
      targets: sizes.map(targetOf),
      tables: [sizeTable(sizes), latencyTable(sizes), walkTable(sizes)],
      charts: [chart(sizes)],
      data: { sizes },
    };
  },
});

interface Timed {
  ms: number;
  text: string;
}

/** From the request to the last byte of the answer. Throws for anything but 200: it would measure something else. */
async function timed(pool: Pool, { apiKey }: Posthorn, path: string): Promise<Timed> {
  const startedMs = performance.now();
  const { statusCode, body } = await pool.request({
    method: 'GET',
    path,
    headers: { authorization: `Bearer ${apiKey}` },
  });
  const text = await body.text();
  const ms = performance.now() - startedMs;
  if (statusCode !== 200) throw new Error(`GET ${path}: ${statusCode} ${text}`);
  return { ms, text };
}

/** One request of every kind, then the next of every kind, so that all see the same caches and the same machine. */
async function measure(
  kinds: readonly QueryKind[],
  requests: number,
  readCpuMs: () => number,
  run: (kind: QueryKind, path: string) => Promise<Timed>,
): Promise<Measured[]> {
  const found = kinds.map((kind) => ({ kind, ms: [] as number[], rows: [] as number[], cpuMs: 0 }));
  for (let round = -WARM_UP; round < requests; round += 1) {
    for (const measured of found) {
      const { kind, ms, rows } = measured;
      const path = kind.paths[(round + WARM_UP) % kind.paths.length] ?? '';
      const before = readCpuMs();
      const answer = await run(kind, path);
      if (round < 0) continue;
      measured.cpuMs += readCpuMs() - before;
      ms.push(answer.ms);
      rows.push(rowsOf(answer.text));
    }
  }
  return found.map(({ kind, ms, rows, cpuMs }) => ({
    name: kind.name,
    ms: percentiles(ms),
    cpuMs: rounded(cpuMs / requests),
    rows: percentiles(rows).p50,
  }));
}

/** Follows a list to its end, or as far as is followed. */
async function walk(
  { name, path }: { name: string; path: string },
  run: (path: string) => Promise<Timed>,
): Promise<Walk> {
  const walked: Walk = { name, pages: 0, toFirstMatch: null, matches: 0, ended: false, slowestMs: 0 };
  let cursor: string | null = '';
  while (cursor !== null && walked.pages < PAGES_MAX) {
    const { ms, text } = await run(cursor === '' ? path : `${path}&cursor=${cursor}`);
    const page = JSON.parse(text) as { data: unknown[]; nextCursor: string | null };
    walked.pages += 1;
    walked.matches += page.data.length;
    walked.slowestMs = Math.max(walked.slowestMs, rounded(ms));
    if (page.data.length > 0) walked.toFirstMatch ??= walked.pages;
    cursor = page.nextCursor;
  }
  walked.ended = cursor === null;
  return walked;
}

function rowsOf(text: string): number {
  const { data } = JSON.parse(text) as { data?: unknown };
  return Array.isArray(data) ? data.length : 1;
}

function slowestOf(kinds: readonly Measured[]): Measured {
  const [first, ...others] = kinds;
  if (first === undefined) throw new Error('Nothing was asked');
  return others.reduce((slowest, kind) => (kind.ms.p95 > slowest.ms.p95 ? kind : slowest), first);
}

function targetOf({ history, kinds }: Size): Target {
  const slowest = slowestOf(kinds);
  const stored = history.deliveries.toLocaleString('en');
  return atMost(
    `p95 of the slowest of ${kinds.length} kinds (${slowest.name}), ${stored} deliveries`,
    slowest.ms.p95,
    P95_MAX_MS,
    ' ms',
  );
}

function describe({ deliveries, events, attempts, bytes }: History): string {
  const [d, e, a] = [deliveries, events, attempts].map((count) => count.toLocaleString('en'));
  return `${d} deliveries, ${e} events, ${a} attempts, ${rounded(bytes / 1e9)} GB`;
}

function sizeTable(sizes: readonly Size[]): Table {
  return {
    title: `What is stored, of ${HISTORY_DAYS} days`,
    columns: [
      ...['deliveries', 'events', 'attempts', 'GB', 'loaded in s', 'kinds', 'of them p95 over 50 ms'],
      'CPU ms a request, all kinds',
    ],
    rows: sizes.map(({ history: { deliveries, events, attempts, bytes, seconds }, kinds }) => [
      deliveries,
      events,
      attempts,
      rounded(bytes / 1e9),
      seconds,
      kinds.length,
      kinds.filter(({ ms }) => ms.p95 > P95_MAX_MS).length,
      rounded(kinds.reduce((sum, { cpuMs }) => sum + cpuMs, 0) / kinds.length),
    ]),
  };
}

function latencyTable(sizes: readonly Size[]): Table {
  const names = [...new Set(sizes.flatMap(({ kinds }) => kinds.map(({ name }) => name)))];
  return {
    title:
      'Answers over HTTP, ms; CPU of Posthorn and Postgres, ms; rows of a page (the middle one); at each size',
    columns: ['', ...sizes.flatMap(() => ['rows', 'CPU', 'p50', 'p95', 'p99'])],
    rows: names.map((name) => [name, ...sizes.flatMap(({ kinds }) => cellsOf(kinds, name))]),
  };
}

function cellsOf(kinds: readonly Measured[], name: string): (string | number)[] {
  const kind = kinds.find((one) => one.name === name);
  return kind ? [kind.rows, kind.cpuMs, kind.ms.p50, kind.ms.p95, kind.ms.p99] : ['', '', '', '', ''];
}

function walkTable(sizes: readonly Size[]): Table {
  return {
    title: `Lists with few matches, followed for ${PAGES_MAX} pages at most`,
    columns: ['', 'deliveries', 'pages', 'to the first match', 'matches', 'slowest page ms', ''],
    rows: sizes.flatMap(({ history, walks }) =>
      walks.map(({ name, pages, toFirstMatch, matches, ended, slowestMs }) => [
        ...[name, history.deliveries, pages, toFirstMatch ?? 'none', matches, slowestMs],
        ended ? 'the end' : 'more to come',
      ]),
    ),
  };
}

function chart(sizes: readonly Size[]): Chart {
  const categories = sizes.map(({ history }) => history.deliveries.toLocaleString('en'));
  const slowest = sizes.map(({ kinds }) => slowestOf(kinds).ms);
  return {
    kind: 'bars',
    name: 'slowest',
    title: 'The slowest kind of query, by deliveries stored',
    yName: 'ms',
    categories,
    series: [
      { name: 'p50', values: slowest.map(({ p50 }) => p50) },
      { name: 'p95', values: slowest.map(({ p95 }) => p95) },
      { name: 'p99', values: slowest.map(({ p99 }) => p99) },
    ],
  };
}
