import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';

import { formatUsage, readArguments, type Settings } from './arguments.js';
import { drawChart, type Chart } from './chart.js';
import { describeMachine, formatMachine } from './machine.js';
import { formatTable, type Table } from './table.js';
import type { Target } from './target.js';

const RESULTS = path.resolve(import.meta.dirname, '../../results');

export interface ScenarioResult {
  tables: Table[];
  targets: Target[];
  charts: Chart[];
  /** Everything measured, for the JSON file. */
  data: unknown;
  /** What went wrong with accepted events: not delivered, not recorded. Empty when nothing was lost. */
  lost: string[];
}

export interface Scenario<S extends Settings> {
  name: string;
  /** What is compared with what, in one sentence. */
  about: string;
  settings: S;
  /** It is broken off after so long. A function where the settings say how long it takes. */
  minutesMax: { long: number; short: number } | ((settings: Record<keyof S, number>) => number);
  run(context: ScenarioContext<S>): Promise<ScenarioResult>;
}

export interface ScenarioContext<S extends Settings> {
  settings: Record<keyof S, number>;
  short: boolean;
  say(line: string): void;
  /** Closed when the run is over, however it ends. */
  onEnd(close: () => Promise<void>): void;
}

/** Runs one benchmark from the command line: prints tables and targets, writes JSON and charts, sets the exit code. */
export async function runScenario<S extends Settings>(scenario: Scenario<S>): Promise<void> {
  const given = readArguments(scenario.settings, process.argv.slice(2));
  if ('usage' in given) {
    const { error } = given;
    if (error !== undefined) process.stderr.write(`${error}\n`);
    process.stdout.write(formatUsage(scenario));
    process.exitCode = error === undefined ? 0 : 2;
    return;
  }
  const { short, output, settings } = given;
  const machine = describeMachine();
  const say = (line: string): void => void process.stdout.write(`${line}\n`);
  const closes: (() => Promise<void>)[] = [];
  let closing: Promise<void> | undefined;
  const close = (): Promise<void> => (closing ??= closeAll(closes));
  // Also when it is broken off: a folder of databases may be what fills the disk.
  const breakOff = (): void => void close().finally(() => process.exit(1));
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, breakOff);
  const minutesMax = minutesMaxOf(scenario, settings, short);
  const limit = setTimeout(() => {
    process.stderr.write(`${scenario.name} did not end within ${minutesMax} minutes\n`);
    breakOff();
  }, minutesMax * 60_000);

  say(`${scenario.name}: ${scenario.about}\n${formatMachine(machine)}\n`);
  const startedMs = Date.now();
  let result: ScenarioResult;
  try {
    result = await scenario.run({ settings, short, say, onEnd: (close) => closes.push(close) });
  } finally {
    await close();
    clearTimeout(limit);
  }
  const seconds = Math.round((Date.now() - startedMs) / 1000);

  say('');
  for (const table of [...result.tables, targetTable(result.targets)]) say(formatTable(table));
  for (const problem of result.lost) say(`LOST  ${problem}`);
  const files = await writeFiles(output ?? RESULTS, scenario.name, result.charts, {
    scenario: scenario.name,
    about: scenario.about,
    machine,
    short,
    settings,
    seconds,
    targets: result.targets,
    lost: result.lost,
    tables: result.tables,
    data: result.data,
  });
  say(`${seconds} s\n${files.map((file) => path.relative(process.cwd(), file)).join('\n')}`);
  process.exitCode = result.lost.length === 0 ? 0 : 1;
}

function minutesMaxOf<S extends Settings>(
  { minutesMax }: Scenario<S>,
  settings: Record<keyof S, number>,
  short: boolean,
): number {
  return typeof minutesMax === 'function'
    ? Math.ceil(minutesMax(settings))
    : minutesMax[short ? 'short' : 'long'];
}

async function closeAll(closes: (() => Promise<void>)[]): Promise<void> {
  for (const close of closes.reverse()) await close();
}

function targetTable(targets: readonly Target[]): Table {
  return {
    title: 'Targets',
    columns: ['target', 'goal', 'measured', ''],
    rows: targets.map(({ name, goal, value, met }) => [name, goal, value, met ? 'met' : 'NOT MET']),
  };
}

async function writeFiles(
  folder: string,
  name: string,
  charts: readonly Chart[],
  json: object,
): Promise<string[]> {
  await mkdir(folder, { recursive: true });
  const base = path.join(folder, `${name}-${new Date().toISOString().slice(0, 19).replaceAll(':', '')}`);
  const files = [`${base}.json`];
  await writeFile(`${base}.json`, `${JSON.stringify(json, null, 2)}\n`);
  for (const chart of charts) {
    const file = `${base}-${chart.name}.svg`;
    await writeFile(file, drawChart(chart));
    files.push(file);
  }
  return files;
}
