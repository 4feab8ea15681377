import { parseArgs } from 'node:util';

/** What may be set on the command line, with its value in a long run and in a short one. */
export type Settings = Record<string, { long: number; short: number }>;

export interface Arguments<S extends Settings> {
  short: boolean;
  output: string | undefined;
  settings: Record<keyof S, number>;
}

/** To be told how it is used: asked for, or because of an error. */
export interface Usage {
  usage: true;
  error?: string;
}

export function readArguments<S extends Settings>(known: S, args: readonly string[]): Arguments<S> | Usage {
  const names = Object.keys(known) as (keyof S & string)[];
  try {
    const { values } = parseArgs({
      args: [...args],
      options: {
        help: { type: 'boolean', short: 'h', default: false },
        short: { type: 'boolean', default: false },
        output: { type: 'string' },
        ...Object.fromEntries(names.map((name) => [name, { type: 'string' as const }])),
      },
    });
    const given = values as Record<string, string | boolean | undefined>;
    if (given['help'] === true) return { usage: true };
    const short = given['short'] === true;
    const settings = Object.fromEntries(
      names.map((name) => {
        const value = Number(given[name] ?? known[name]?.[short ? 'short' : 'long']);
        if (!Number.isFinite(value) || value < 0) throw new Error(`--${name} must be a number, 0 or more`);
        return [name, value];
      }),
    ) as Record<keyof S, number>;
    return { short, output: given['output'] as string | undefined, settings };
  } catch (error) {
    return { usage: true, error: (error as Error).message };
  }
}

export function formatUsage({
  name,
  about,
  settings,
}: {
  name: string;
  about: string;
  settings: Settings;
}): string {
  const options = [
    ['--short', 'a smoke run of about a minute'],
    ['--output FOLDER', 'where JSON and charts go (bench/results)'],
    ...Object.entries(settings).map(([setting, { long, short }]) => [
      `--${setting} N`,
      `${long}; ${short} with --short`,
    ]),
  ];
  const width = Math.max(...options.map(([option = '']) => option.length));
  const lines = options.map(([option = '', text = '']) => `  ${option.padEnd(width)}  ${text}`);
  return `${name}: ${about}\n\nnpm run bench:${name} -- [options]\n${lines.join('\n')}\n`;
}
