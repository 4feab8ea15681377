import { beforeAll, describe, expect, it } from '@jest/globals';
import { readFile } from 'node:fs/promises';
import path from 'node:path';

import { findLogEvents, type LogEvent } from './log-calls.js';

const root = path.resolve(import.meta.dirname, '../..');
/** Their fields are settings, or those of a request. */
const withOpenFields = ['config.loaded', 'request.unavailable'];
/** The logger that gathers refusals of Redis passes on the events of others. */
const passedOn = 'string';

let logged: Map<string, LogEvent>;
let documented: Map<string, { levels: string[]; fields: string[] }>;

beforeAll(async () => {
  logged = findLogEvents(root);
  logged.delete(passedOn);
  documented = readTables(await readFile(path.join(root, 'docs/logs.md'), 'utf8'));
}, 120_000);

describe('docs/logs.md', () => {
  it('names every event that the code logs, and no other', () => {
    expect(logged.size).toBeGreaterThan(80);
    expect([...documented.keys()].sort()).toEqual([...logged.keys()].sort());
  });

  it('names the levels of every event', () => {
    const levelsOf = (levels: Iterable<string>) => [...levels].sort();
    const inCode = [...logged].map(([name, { levels }]) => [name, levelsOf(levels)]);
    const inDocs = [...documented].map(([name, { levels }]) => [name, levelsOf(levels)]);
    expect(Object.fromEntries(inDocs)).toEqual(Object.fromEntries(inCode));
  });

  it('names the fields of every event', () => {
    const closed = [...logged].filter(([name]) => !withOpenFields.includes(name));
    const inCode = closed.map(([name, { fields }]) => [name, [...fields].sort()]);
    const inDocs = closed.map(([name]) => [name, [...(documented.get(name)?.fields ?? [])].sort()]);
    expect(Object.fromEntries(inDocs)).toEqual(Object.fromEntries(inCode));
    expect(closed.filter(([, { open, fields }]) => open && fields.size === 0)).toEqual([]);
  });
});

describe('The log', () => {
  it('has names of events and fields in snake_case', () => {
    const fields = [...logged].flatMap(([name, event]) =>
      [...event.fields].map((field) => `${name} ${field}`),
    );
    expect(fields.filter((field) => !/^\S+ [a-z][a-z0-9_]*$/.test(field))).toEqual([]);
    expect([...logged.keys()].filter((name) => !/^[a-z_]+\.[a-z_]+$/.test(name))).toEqual([]);
  });
});

function readTables(markdown: string): typeof documented {
  const rows = markdown.matchAll(/^\| `([^`]+)` *\| ([a-z, ]+?) *\| ([^|]*) \|/gm);
  return new Map(
    [...rows].map(([, name = '', levels = '', fields = '']) => [
      name,
      {
        levels: levels.split(', '),
        fields: [...fields.matchAll(/`([^`]+)`/g)].map(([, field = '']) => field),
      },
    ]),
  );
}
