import type pg from 'pg';

/** A setting of the server, for one connection. */
export type Setting = readonly [name: string, value: string];

export function setting(name: string, value: string | number): Setting {
  return [name, String(value)];
}

/**
 * Compiling a statement takes Postgres longer than any of ours runs: seconds for one that reads a month of partitions.
 * It is on by default from version 12 on, in the official images and in what distributions and providers offer.
 */
const withoutJit = setting('jit', 'off');
/**
 * Postgres leaves out partitions by their bounds, whatever this says. Unless it is off, it also tries to refute a
 * statement's conditions by every CHECK of every partition that is left, which makes planning a list over a month of
 * deliveries three to eight times as dear: 11 to 27 ms of CPU against 3, for a statement that then takes one.
 */
export const planWithoutChecks = setting('constraint_exclusion', 'off');
/**
 * What a server, a database or a role may have another default for, and what we and the driver count on: Prisma takes
 * every time for one of UTC, `pg` reads dates as ISO writes them, and the statements that race are made for the isolation
 * level that Postgres has by default.
 */
const asWeReadIt: readonly Setting[] = [
  setting('timezone', 'UTC'),
  setting('datestyle', 'ISO, MDY'),
  setting('intervalstyle', 'postgres'),
  setting('extra_float_digits', 1),
  setting('default_transaction_isolation', 'read committed'),
];
/**
 * With it two pages of an index cost less than one page of a table, so that a row is looked up by index also in a plan
 * that is made while the table has one. Unlike `enable_seqscan = off` it makes no plan look so dear that Postgres
 * would compile it, and it leaves a small table that has no index for the question alone.
 */
export const byIndex = setting('random_page_cost', '0.1');
/**
 * Left to itself Postgres plans a statement anew for each execution, 1 to 2 ms over a month of partitions, when the plan for
 * its values looks cheaper: to it, that for one event does, beside the one for any number, which is the same.
 */
export const planOnce = setting('plan_cache_mode', 'force_generic_plan');

/**
 * Sets them for the rest of the connection. They do not go with its start: a pooler refuses start-up parameters that it
 * does not know (PgBouncer), or drops them.
 */
export async function applySettings(client: pg.ClientBase, settings: readonly Setting[]): Promise<void> {
  await client.query(
    'SELECT set_config(name, value, false) FROM unnest($1::text[], $2::text[]) AS setting (name, value)',
    [settings.map(([name]) => name), settings.map(([, value]) => value)],
  );
}

/** What every connection of ours has, besides what it is for. */
export function commonSettings(schema: string | null): readonly Setting[] {
  const path = schema === null ? [] : [setting('search_path', `"${schema.replaceAll('"', '""')}"`)];
  return [withoutJit, ...asWeReadIt, ...path];
}

/** The statement that sets it until the transaction ends. */
export function setLocal([name, value]: Setting): string {
  return `SET LOCAL ${name} = ${value}`;
}
