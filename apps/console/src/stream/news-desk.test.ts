import { createUuidV7 } from '@posthorn/domain';
import type { NewsItem, NewsPlace, NewsQuestion } from '@posthorn/delivery/stream';
import { createLogger } from '@posthorn/runtime';
import { waitUntil } from '@posthorn/testing';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';

import { createNewsDesk, type NewsDesk } from './news-desk.js';

const logger = createLogger({ level: 'silent', role: 'test' });
let stop: AbortController;
let asked: (readonly NewsQuestion[])[];
let items: NewsItem[];
let gone: Set<string>;
let failures: number;
let desk: NewsDesk;

beforeEach(() => {
  stop = new AbortController();
  asked = [];
  items = [];
  gone = new Set();
  failures = 0;
  desk = createNewsDesk({
    read: (questions) => {
      asked.push(questions);
      if (failures > 0) {
        failures -= 1;
        return Promise.reject(new Error('away'));
      }
      return Promise.resolve({
        place: placeAt(asked.length),
        news: questions.map(() => ({ items, gap: false })),
        gone,
      });
    },
    logger,
    stopping: stop.signal,
    everyMs: 1,
  });
});
afterEach(() => stop.abort());

const placeAt = (n: number): NewsPlace => ({ nextXid: String(n), openXids: [], sinceMs: 0 });

const id = createUuidV7(Date.now());
const delivery: NewsItem['delivery'] = {
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
  place: string;
  gap: boolean;
}

function listen(customerId: string, after: NewsPlace | null = null) {
  const told: Told[] = [];
  let ended = false;
  const leave = desk.subscribe({
    customerId,
    after,
    tell: (messages, { nextXid }, gap) =>
      told.push({ items: messages.split('event: ').length - 1, place: nextXid, gap }),
    end: () => (ended = true),
  });
  return { told, leave, ended: () => ended };
}

const itemsOf = (customerId: string, count: number): NewsItem[] =>
  Array.from({ length: count }, () => ({ kind: 'created', delivery: { ...delivery, customerId } }));

describe('the news desk', () => {
  it('asks once for all who listen, and tells each of its own customer', async () => {
    const [one, same, other] = [listen('acme'), listen('acme'), listen('other')];
    await waitUntil(() => asked.length > 1);
    items = itemsOf('acme', 2);
    await waitUntil(() => [one, same].every(({ told }) => told.some((news) => news.items === 2)));
    expect(other.told.every((news) => news.items === 0)).toBe(true);
    expect(asked.at(-1)).toEqual([{ after: placeAt(asked.length - 1), customerIds: ['acme', 'other'] }]);
  });

  it('asks for those who resume from where they left off, once', async () => {
    listen('acme');
    await waitUntil(() => asked.length > 1);
    const left = { nextXid: '7', openXids: ['3'], sinceMs: 5 };
    const { told } = listen('other', left);
    await waitUntil(() => told.length > 3);
    expect(asked.filter((questions) => questions.some(({ after }) => after === left))).toHaveLength(1);
    const places = told.map(({ place }) => Number(place));
    expect(places).toEqual(places.map((_, n) => (places[0] ?? 0) + n));
  });

  it('stops asking when nobody listens, and begins anew with the next', async () => {
    const first = listen('acme');
    await waitUntil(() => asked.length > 1);
    first.leave();
    await waitUntil(async () => {
      const next = listen('acme');
      await waitUntil(() => next.told.length > 0);
      next.leave();
      return asked.slice(1).some((questions) => questions.length === 0);
    });
  });

  it('goes on where it was when a reading has failed', async () => {
    const { told } = listen('acme');
    await waitUntil(() => told.length > 0);
    failures = 2;
    await waitUntil(() => failures === 0);
    const before = told.length;
    await waitUntil(() => told.length > before);
    const places = asked.flatMap((questions) => questions.map(({ after }) => Number(after.nextXid)));
    const [again] = places.filter((place, n) => places.indexOf(place) !== n);
    expect(places.filter((place) => place === again)).toHaveLength(3);
  });

  it('ends those whose customer is gone', async () => {
    const [left, stays] = [listen('acme'), listen('other')];
    await waitUntil(() => [left, stays].every(({ told }) => told.length > 0));
    gone.add('acme');
    await waitUntil(() => left.ended());
    expect(stays.ended()).toBe(false);
  });

  it('says that some were left out of what is too much', async () => {
    const { told } = listen('acme');
    await waitUntil(() => told.length > 0);
    items = itemsOf('acme', 501);
    const { gap } = await waitUntil(() => told.find((news) => news.items > 0));
    expect(gap).toBe(true);
    expect(told.every((news) => news.items <= 500)).toBe(true);
  });
});
