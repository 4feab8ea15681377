import { describe, expect, it } from '@jest/globals';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

import { compileEventSchema } from './event-schema.js';

interface Group {
  description: string;
  schema: unknown;
  tests: { description: string; data: unknown; valid: boolean }[];
}

interface Exception {
  reason: string;
  /** By file and group: the tests, or all of a group whose schema is refused. */
  tests: Record<string, Record<string, 'all' | string[]>>;
}

const suite = join(import.meta.dirname, '../json-schema-test-suite');
const draft = join(suite, 'draft2020-12');
const files = readdirSync(draft, { recursive: true })
  .map(String)
  .filter((name) => name.endsWith('.json'))
  .sort();
const read = <T>(path: string) => JSON.parse(readFileSync(path, 'utf8')) as T;
const exceptions = read<Exception[]>(join(suite, 'exceptions.json'));

/** The tests of a group that do not come out as they should. */
function failuresOf({ schema, tests }: Group): 'all' | string[] {
  const compiled = compileEventSchema(schema);
  if (!compiled.ok) return 'all';
  return tests
    .filter(({ data, valid }) => (compiled.check(data).length === 0) !== valid)
    .map(({ description }) => description);
}

describe('the JSON Schema Test Suite', () => {
  it.each(files)('is passed but for what is excepted in %s', (file) => {
    const groups = read<Group[]>(join(draft, file)).map((group) => ({ group, failures: failuresOf(group) }));
    const failed = groups.filter(({ failures }) => failures.length > 0);
    const listed = Object.assign({}, ...exceptions.map(({ tests }) => tests[file] ?? {})) as object;
    expect(Object.fromEntries(failed.map(({ group, failures }) => [group.description, failures]))).toEqual(
      listed,
    );
  });

  it('has no exception for a file that is not there', () => {
    const named = exceptions.flatMap(({ tests }) => Object.keys(tests));
    expect(named.filter((file) => !files.includes(file))).toEqual([]);
    expect(files.length).toBeGreaterThan(70);
  });

  it('has the reason of each exception in the docs', () => {
    const docs = readFileSync(join(import.meta.dirname, '../../../docs/api/json-schema.md'), 'utf8');
    expect(exceptions.map(({ reason }) => reason).filter((reason) => !docs.includes(reason))).toEqual([]);
  });
});
