import { describe, expect, it } from '@jest/globals';

import { tablesOfDay } from './by-day.js';
import { createDayStatement, createStatement } from './statement.js';

describe('a statement with named parameters', () => {
  it('numbers the names by their first place in the text, and leaves casts alone', () => {
    const statement = createStatement<{ ids: string[]; sinceMs: number }>({
      name: 'find',
      text: `SELECT id::text FROM t WHERE at > :sinceMs::bigint AND id = ANY (:ids::uuid[]) AND till < :sinceMs`,
    });
    expect(statement({ ids: ['a'], sinceMs: 7 })).toEqual({
      name: 'find',
      text: `SELECT id::text FROM t WHERE at > $1::bigint AND id = ANY ($2::uuid[]) AND till < $1`,
      values: [7, ['a']],
    });
  });

  it('sends null, but refuses a parameter that has no value', () => {
    const statement = createStatement<{ id?: string | null }>({ text: 'SELECT :id' });
    expect(statement({ id: null }).values).toEqual([null]);
    expect(() => statement({})).toThrow('The statement has no value for :id');
  });

  it('is made once for each day, under a name of that day', () => {
    let made = 0;
    const statement = createDayStatement<{ id: string }>({
      name: 'load',
      text: ({ delivery }) => {
        made += 1;
        return `SELECT FROM ${delivery} WHERE id = :id`;
      },
    });
    const tables = tablesOfDay(Date.UTC(2031, 4, 6));
    expect(statement(tables, { id: 'a' })).toEqual({
      name: 'load_20310506',
      text: 'SELECT FROM delivery_20310506 WHERE id = $1',
      values: ['a'],
    });
    expect(statement(tables, { id: 'b' }).values).toEqual(['b']);
    expect(made).toBe(1);
  });
});
