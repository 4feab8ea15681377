import { AppError } from '@posthorn/http';
import { beforeEach, describe, expect, it } from '@jest/globals';
import { type Party, takeTurns, type TakeTurn } from './take-turns.js';

const tenant = (customerId: string): Party => ({ caller: { customerId }, customerId });
const operator = (customerId?: string): Party => ({ caller: { customerId: null }, customerId });

let takeTurn: TakeTurn;
/** Ends the question of that name. */
let finish: Record<string, () => void>;
let started: string[];

beforeEach(() => {
  takeTurn = takeTurns({ runningMax: 2, waitingMaxEach: 2, waitingMax: 5 });
  finish = {};
  started = [];
});

function ask(party: Party, name: string): Promise<string> {
  return takeTurn(party, () => {
    started.push(name);
    return new Promise((resolve) => {
      finish[name] = () => resolve(name);
    });
  });
}

/** Until what was settled has had its consequences. */
const turnOfTheLoop = () => new Promise(setImmediate);

async function end(name: string): Promise<void> {
  await turnOfTheLoop();
  finish[name]?.();
  await turnOfTheLoop();
}

const refused = (asked: Promise<string>) =>
  asked.then(
    () => null,
    (error: unknown) => (error instanceof AppError ? error : null),
  );

describe('taking turns', () => {
  it('runs one question of each party at a time, and two in all', async () => {
    const answers = Promise.all([
      ask(tenant('a'), 'a1'),
      ask(tenant('a'), 'a2'),
      ask(tenant('b'), 'b1'),
      ask(tenant('c'), 'c1'),
    ]);
    await turnOfTheLoop();
    expect(started).toEqual(['a1', 'b1']);
    for (const name of ['a1', 'b1', 'a2', 'c1']) await end(name);
    expect(await answers).toEqual(['a1', 'a2', 'b1', 'c1']);
  });

  it('goes round the parties, whoever of them came first and with how many', async () => {
    const parties = ['a', 'a', 'a', 'b', 'c', 'd'].map((party, n) => ask(tenant(party), `${party}${n}`));
    for (const name of ['a0', 'b3', 'c4', 'd5', 'a1', 'a2']) await end(name);
    await Promise.all(parties);
    expect(started).toEqual(['a0', 'b3', 'a1', 'c4', 'd5', 'a2']);
  });

  it('refuses a party that has as many waiting as it may, and nobody else', async () => {
    const answers = [ask(tenant('a'), 'a1'), ask(tenant('a'), 'a2'), ask(tenant('a'), 'a3')];
    expect(await refused(ask(tenant('a'), 'a4'))).toMatchObject({
      code: 'rate_limited',
      headers: { 'Retry-After': expect.stringMatching(/^[1-9]\d*$/) },
    });
    answers.push(ask(tenant('b'), 'b1'), ask(operator('a'), 'o1'), ask(operator(), 'o2'));
    for (const name of ['a1', 'b1', 'o1', 'o2', 'a2', 'a3']) await end(name);
    expect(await Promise.all(answers)).toEqual(['a1', 'a2', 'a3', 'b1', 'o1', 'o2']);
  });

  it('refuses everybody while as many wait as may in all, and takes them in again afterwards', async () => {
    const answers = ['a', 'b', 'c', 'd', 'e', 'f', 'g'].map((party) => ask(tenant(party), party));
    expect(await refused(ask(tenant('h'), 'h'))).toMatchObject({
      code: 'unavailable',
      headers: { 'Retry-After': expect.any(String) },
    });
    await end('a');
    answers.push(ask(tenant('h'), 'h again'));
    for (const name of ['b', 'c', 'd', 'e', 'f', 'g', 'h again']) await end(name);
    expect(await Promise.all(answers)).toHaveLength(8);
  });

  it('passes the turn on when a question fails, also one that throws at once', async () => {
    const failure = new Error('the statement took too long');
    const fail = () => {
      throw failure;
    };
    const failing = [1, 2, 3].map(() => takeTurn(tenant('a'), () => Promise.resolve().then(fail)));
    expect(await Promise.allSettled(failing)).toEqual(
      failing.map(() => ({ status: 'rejected', reason: failure })),
    );
    await expect(takeTurn(tenant('a'), fail)).rejects.toBe(failure);
    expect(await takeTurn(tenant('a'), () => Promise.resolve('answered'))).toBe('answered');
  });
});
