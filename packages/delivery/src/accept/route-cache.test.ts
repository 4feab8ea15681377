import { describe, expect, it } from '@jest/globals';
import type { CustomerRoutes, RoutedEndpoint } from '@posthorn/database';

import { createRouteCache } from './route-cache.js';

const endpoint = (id: number, eventTypes: string[], kind: RoutedEndpoint['kind'] = 'registered') =>
  ({ id: String(id), kind, status: 'enabled', eventTypes, retryPolicy: null }) satisfies RoutedEndpoint;

const many = (count: number): CustomerRoutes => ({
  endpointsVersion: 1,
  endpoints: Array.from({ length: count }, (_, id) =>
    endpoint(id, id % 2 ? ['invoice.paid'] : ['charge.*'], id % 10 ? 'registered' : 'notification'),
  ),
});

async function tableOf(count: number) {
  const table = await createRouteCache(() => Promise.resolve(many(count))).get('acme');
  if (!table) throw new Error('There is no customer');
  return table;
}

describe('the routes of a customer', () => {
  it.each([20, 2_000])('reach the matching endpoints of the audience, of %i', async (count) => {
    const table = await tableOf(count);
    for (const type of ['invoice.paid', 'charge.failed', 'invoice.paid', 'other']) {
      const expected = many(count).endpoints.filter(
        ({ kind, eventTypes: [filter] }) =>
          kind === 'registered' && filter === (type === 'charge.failed' ? 'charge.*' : type),
      );
      expect(table.reached('registered', type).map(({ id }) => id)).toEqual(expected.map(({ id }) => id));
    }
    expect(table.reached('notification', 'charge.x')).toHaveLength(count / 10);
  });

  it('of many are looked through once for a type, and remembered within bounds', async () => {
    const table = await tableOf(2_000);
    expect(table.isQuick('registered', 'invoice.paid')).toBe(false);
    const first = table.reached('registered', 'invoice.paid');
    expect(table.isQuick('registered', 'invoice.paid')).toBe(true);
    expect(table.reached('registered', 'invoice.paid')).toBe(first);
    for (let n = 0; n < 10_000; n += 1) table.reached('registered', `other.${n}`);
    expect(table.isQuick('registered', 'invoice.paid')).toBe(false);
  });

  it('of few are quick', async () => {
    expect((await tableOf(20)).isQuick('registered', 'a')).toBe(true);
  });
});

it('counts a customer by its endpoints', async () => {
  let reads = 0;
  const cache = createRouteCache(() => {
    reads += 1;
    return Promise.resolve(many(60_000));
  });
  for (const id of ['a', 'b', 'c', 'd', 'e', 'f']) await cache.get(id);
  expect(reads).toBe(6);
  await cache.get('f');
  expect(reads).toBe(6);
  await cache.get('a');
  expect(reads).toBe(7);
});
