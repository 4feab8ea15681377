import { encodeId, firstUuidAt } from '@posthorn/domain';
import type pg from 'pg';

import { inParallel } from '../frame/in-parallel.js';
import {
  COMMON_TYPE,
  type History,
  HUGE,
  type HugeEndpoints,
  MEDIUM,
  RARE_TYPE,
  TINY,
} from './history-data.js';

/** One kind of question that the API is asked, with as many different ones as are asked of it. */
export interface QueryKind {
  name: string;
  role: 'console' | 'ingest';
  paths: string[];
}

/** Asks the console; resolves with the parsed answer. */
export type Ask = <Answer>(path: string) => Promise<Answer>;

interface Page {
  nextCursor: string | null;
}

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const PREPARED_AT_ONCE = 4;

export async function makeQueries(
  pool: pg.Pool,
  ask: Ask,
  { fromMs, untilMs }: History,
  endpoints: HugeEndpoints,
  count: number,
): Promise<QueryKind[]> {
  const someTimes = (): number[] =>
    Array.from({ length: count }, () => fromMs + Math.random() * (untilMs - fromMs) * 0.98);
  const everywhere: [string, string][] = [
    ['all customers', ''],
    ['half of everything', `customerId=${HUGE}`],
    ['0.35 %', `customerId=${MEDIUM}`],
    ['2 events a day', `customerId=${TINY}`],
  ];
  const kinds: QueryKind[] = [];
  const add = (name: string, paths: string[], role: QueryKind['role'] = 'console'): void =>
    void kinds.push({ name, role, paths });
  const list = (name: string, resource: string, ...filters: string[]): void => {
    const query = filters.filter(Boolean).join('&');
    add(name, new Array<string>(count).fill(`/v1/${resource}${query && `?${query}`}`));
  };
  /** From the middle of the list, by the cursor that the page before gave. */
  const deep = async (name: string, resource: string, ...filters: string[]): Promise<void> => {
    const query = filters.filter(Boolean).join('&');
    const paths = await inParallel(someTimes(), PREPARED_AT_ONCE, async (ms) => {
      const until = new Date(ms).toISOString();
      const page = await ask<Page>(`/v1/${resource}?limit=1&until=${until}&${query}`);
      return page.nextCursor === null ? [] : [`/v1/${resource}?cursor=${page.nextCursor}&${query}`];
    });
    add(name, paths.flat());
  };

  const sampled = await sampleDeliveries(pool, someTimes());
  const deliveryIds = sampled.map(({ id }) => encodeId('dlv', id));
  const eventIds = sampled.map(({ event_id }) => encodeId('evt', event_id));
  add(
    'delivery by id',
    deliveryIds.map((id) => `/v1/deliveries/${id}`),
  );
  add(
    'its attempts',
    deliveryIds.map((id) => `/v1/deliveries/${id}/attempts`),
  );
  add(
    'event by id, with its deliveries',
    eventIds.map((id) => `/v1/events/${id}`),
  );
  add(
    'deliveries of an event',
    eventIds.map((id) => `/v1/deliveries?eventId=${id}`),
  );
  const oneShots = (await sampleOneShots(pool, someTimes())).map((id) => encodeId('dlv', id));
  add(
    'status of a one-shot',
    oneShots.map((id) => `/v1/webhooks/${id}/status`),
    'ingest',
  );

  for (const [owner, customer] of everywhere) {
    const of = `deliveries, ${owner}`;
    list(`${of}: first page`, 'deliveries', customer);
    list(`${of}: first page of 250`, 'deliveries', customer, 'limit=250');
    await deep(`${of}: deep page`, 'deliveries', customer);
    for (const status of ['pending', 'dead_lettered', 'held', 'delivered'])
      list(`${of}: ${status}`, 'deliveries', customer, `status=${status}`);
    await deep(`${of}: dead_lettered, deep`, 'deliveries', customer, 'status=dead_lettered');
    list(`${of}: frequent type`, 'deliveries', customer, `type=${COMMON_TYPE}`);
    list(`${of}: rare type`, 'deliveries', customer, `type=${RARE_TYPE}`);
    list(
      `${of}: dead_lettered of a rare type`,
      'deliveries',
      customer,
      'status=dead_lettered',
      `type=${RARE_TYPE}`,
    );
    add(
      `${of}: an hour`,
      someTimes().map((ms) => `/v1/deliveries?${between(ms, HOUR_MS)}&${customer}`),
    );
    add(
      `${of}: a day's dead_lettered`,
      someTimes().map((ms) => `/v1/deliveries?${between(ms, DAY_MS)}&${customer}&status=dead_lettered`),
    );
  }
  for (const [name, endpoint] of Object.entries(endpoints) as [keyof HugeEndpoints, string][]) {
    const of = `deliveries, ${endpointNames[name]} endpoint`;
    const filter = `endpointId=${encodeId('ep', endpoint)}`;
    list(`${of}: first page`, 'deliveries', filter);
    list(`${of}: dead_lettered`, 'deliveries', filter, 'status=dead_lettered');
    list(`${of}: delivered`, 'deliveries', filter, 'status=delivered');
    list(`${of}: frequent type`, 'deliveries', filter, `type=${COMMON_TYPE}`);
  }
  for (const [owner, customer] of everywhere) {
    const of = `events, ${owner}`;
    list(`${of}: first page`, 'events', customer);
    await deep(`${of}: deep page`, 'events', customer);
    list(`${of}: frequent type`, 'events', customer, `type=${COMMON_TYPE}`);
    await deep(`${of}: frequent type, deep`, 'events', customer, `type=${COMMON_TYPE}`);
    list(`${of}: rare type`, 'events', customer, `type=${RARE_TYPE}`);
    add(
      `${of}: an hour`,
      someTimes().map((ms) => `/v1/events?${between(ms, HOUR_MS)}&${customer}`),
    );
  }
  return kinds.filter(({ paths }) => paths.length > 0);
}

/** Lists whose filter has few matches, or none, for how many pages they take. */
export function rareLists(endpoints: HugeEndpoints): { name: string; path: string }[] {
  const stale = encodeId('ep', endpoints.stale);
  return [
    { name: 'dead letters, all customers', path: '/v1/deliveries?status=dead_lettered' },
    {
      name: 'dead letters, half of everything',
      path: `/v1/deliveries?status=dead_lettered&customerId=${HUGE}`,
    },
    { name: 'held, half of everything', path: `/v1/deliveries?status=held&customerId=${HUGE}` },
    { name: 'endpoint unused for 20 days', path: `/v1/deliveries?endpointId=${stale}` },
    { name: 'rare type, half of everything', path: `/v1/events?type=${RARE_TYPE}&customerId=${HUGE}` },
    { name: 'rare type, 0.35 %', path: `/v1/events?type=${RARE_TYPE}&customerId=${MEDIUM}` },
  ];
}

const endpointNames: Record<keyof HugeEndpoints, string> = {
  busy: 'a busy',
  stale: 'a stale',
  unused: 'an unused',
};

function between(ms: number, spanMs: number): string {
  return `since=${new Date(ms).toISOString()}&until=${new Date(ms + spanMs).toISOString()}`;
}

async function sampleDeliveries(
  pool: pg.Pool,
  times: readonly number[],
): Promise<{ id: string; event_id: string }[]> {
  const { rows } = await pool.query<{ id: string; event_id: string }>(
    `SELECT d.id, d.event_id FROM unnest($1::uuid[]) moment
      CROSS JOIN LATERAL (SELECT id, event_id FROM delivery WHERE id >= moment ORDER BY id LIMIT 1) d`,
    [times.map(firstUuidAt)],
  );
  return rows;
}

async function sampleOneShots(pool: pg.Pool, times: readonly number[]): Promise<string[]> {
  const { rows } = await pool.query<{ delivery_id: string }>(
    `SELECT o.delivery_id FROM unnest($1::uuid[]) moment
      CROSS JOIN LATERAL (SELECT delivery_id FROM one_shot WHERE id >= moment ORDER BY id LIMIT 1) o`,
    [times.map(firstUuidAt)],
  );
  return rows.map(({ delivery_id }) => delivery_id);
}
