import { createUuidV7 } from '@posthorn/domain';
import type { DeliveryChange, ChangePosition, ChangeQuery } from '@posthorn/delivery/stream';
import { createLogger } from '@posthorn/runtime';
import { waitUntil } from '@posthorn/testing';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';

import { createChangeBroadcaster, type ChangeBroadcaster } from './change-broadcaster.js';

const logger = createLogger({ level: 'silent', role: 'test' });
let stop: AbortController;
let asked: (readonly ChangeQuery[])[];
let items: DeliveryChange[];
let gone: Set<string>;
let failures: number;
let broadcaster: ChangeBroadcaster;

beforeEach(() => {
  stop = new AbortController();
  asked = [];
  items = [];
  gone = new Set();
  failures = 0;
  broadcaster = createChangeBroadcaster({
    read: (queries) => {
      asked.push(queries);
      if (failures > 0) {
        failures -= 1;
        return Promise.reject(new Error('away'));
      }
      return Promise.resolve({
        position: placeAt(asked.length),
        changes: queries.map(() => ({ items, gap: false })),
        gone,
      });
    },
    logger,
    stopping: stop.signal,
    everyMs: 1,
  });
});
afterEach(() => stop.abort());

const placeAt = (n: number): ChangePosition => ({ nextXid: String(n), openXids: [], sinceMs: 0 });

const id = createUuidV7(Date.now());
const delivery: DeliveryChange['delivery'] = {
  id,
  eventId: id,
  endpointId: id,
  customerId: 'acme',
  type: 'a.b',
  status: 'pending',
  reason: null,
  attempts: 0,
  nextAttemptAt: null,
  lastResponseCode: null,
  createdAt: new Date(0),
  finishedAt: null,
  test: false,
};

interface Told {
  items: number;
  position: string;
  gap: boolean;
}

function listen(customerId: string, after: ChangePosition | null = null) {
  const written: Told[] = [];
  let ended = false;
  const leave = broadcaster.subscribe({
    customerId,
    after,
    push: (messages, { nextXid }, gap) =>
      written.push({ items: messages.split('event: ').length - 1, position: nextXid, gap }),
    end: () => (ended = true),
  });
  return { written, leave, ended: () => ended };
}

const itemsOf = (customerId: string, count: number): DeliveryChange[] =>
  Array.from({ length: count }, () => ({ kind: 'created', delivery: { ...delivery, customerId } }));

describe('The change broadcaster', () => {
  it('asks once for all who listen, and tells each of its own customer', async () => {
    const [one, same, other] = [listen('acme'), listen('acme'), listen('other')];
    await waitUntil(() => asked.length > 1);
    items = itemsOf('acme', 2);
    await waitUntil(() => [one, same].every(({ written }) => written.some((changes) => changes.items === 2)));
    expect(other.written.every((changes) => changes.items === 0)).toBe(true);
    expect(asked.at(-1)).toEqual([{ after: placeAt(asked.length - 1), customerIds: ['acme', 'other'] }]);
  });

  it('asks for those who resume from where they left off, once', async () => {
    listen('acme');
    await waitUntil(() => asked.length > 1);
    const left = { nextXid: '7', openXids: ['3'], sinceMs: 5 };
    const { written } = listen('other', left);
    await waitUntil(() => written.length > 3);
    expect(asked.filter((queries) => queries.some(({ after }) => after === left))).toHaveLength(1);
    const positions = written.map(({ position }) => Number(position));
    expect(positions).toEqual(positions.map((_, n) => (positions[0] ?? 0) + n));
  });

  it('stops asking when nobody listens, and begins anew with the next', async () => {
    const first = listen('acme');
    await waitUntil(() => asked.length > 1);
    first.leave();
    await waitUntil(async () => {
      const next = listen('acme');
      await waitUntil(() => next.written.length > 0);
      next.leave();
      return asked.slice(1).some((queries) => queries.length === 0);
    });
  });

  it('goes on where it was when a reading has failed', async () => {
    const { written } = listen('acme');
    await waitUntil(() => written.length > 0);
    failures = 2;
    await waitUntil(() => failures === 0);
    const before = written.length;
    await waitUntil(() => written.length > before);
    const positions = asked.flatMap((queries) => queries.map(({ after }) => Number(after.nextXid)));
    const [again] = positions.filter((position, n) => positions.indexOf(position) !== n);
    expect(positions.filter((position) => position === again)).toHaveLength(3);
  });

  it('ends those whose customer is gone', async () => {
    const [left, stays] = [listen('acme'), listen('other')];
    await waitUntil(() => [left, stays].every(({ written }) => written.length > 0));
    gone.add('acme');
    await waitUntil(() => left.ended());
    expect(stays.ended()).toBe(false);
  });

  it('says that some were left out of what is too much', async () => {
    const { written } = listen('acme');
    await waitUntil(() => written.length > 0);
    items = itemsOf('acme', 501);
    const { gap } = await waitUntil(() => written.find((changes) => changes.items > 0));
    expect(gap).toBe(true);
    expect(written.every((changes) => changes.items <= 500)).toBe(true);
  });
});
