import type { QueryConfig } from 'pg';

import type { DayTables } from './by-day.js';

/** Gives `query` a statement with these values. */
export type Statement<P> = (parameters: P) => QueryConfig;

export type DayStatement<P> = (tables: DayTables, parameters: P) => QueryConfig;

interface StatementText {
  /** Under this name each connection prepares it once; without one it is planned at each call. */
  name?: string;
  /** With `:name` for each parameter. */
  text: string;
}

/**
 * A statement whose parameters have names: `WHERE id = ANY (:ids::uuid[])`. The names become `$1`, `$2` here, once, so that
 * a statement made when its module loads costs a call no more than one written with numbers.
 */
export function createStatement<P extends object>({ name, text }: StatementText): Statement<P> {
  const names: string[] = [];
  const numbered = text.replace(PARAMETER, (_, parameter: string) => {
    let index = names.indexOf(parameter);
    if (index < 0) index = names.push(parameter) - 1;
    return `$${index + 1}`;
  });
  return (parameters) => ({ name, text: numbered, values: valuesOf(parameters, names) });
}

/** The same for a statement on the tables of one day (see `byDay`). It is made once for each day. */
export function createDayStatement<P extends object>({
  name,
  text,
}: {
  name: string;
  text: (tables: DayTables) => string;
}): DayStatement<P> {
  const ofDay = new Map<string, Statement<P>>();
  return (tables, parameters) => {
    const { statementSuffix } = tables;
    let statement = ofDay.get(statementSuffix);
    if (!statement) {
      if (ofDay.size >= DAYS_MAX) ofDay.clear();
      statement = createStatement({ name: `${name}${statementSuffix}`, text: text(tables) });
      ofDay.set(statementSuffix, statement);
    }
    return statement(parameters);
  };
}

/** Days whose statements are remembered. */
const DAYS_MAX = 64;

/** A colon and a name, where the colon is not part of a cast (`::`). */
const PARAMETER = /(?<!:):([A-Za-z]\w*)/g;

function valuesOf(parameters: object, names: readonly string[]): unknown[] {
  return names.map((name) => {
    const value = (parameters as Record<string, unknown>)[name];
    // The driver would send NULL.
    if (value === undefined) throw new Error(`The statement has no value for :${name}`);
    return value;
  });
}
