import { describe, expect, it } from '@jest/globals';
import { resolveRetryPolicy } from '@posthorn/domain';
import { seededRandom } from './test-support/seeded-random.js';
import { simulateEndpoint, type SimulatedEndpoint } from './test-support/simulate-endpoint.js';

const minuteMs = 60_000;
const horizonMs = 12 * minuteMs;
const maxInFlight = 10;

/** How long a success and a failure take. */
const kinds = {
  '500': { okMs: 1_000, failMs: 1_000 },
  reset: { okMs: 1_200, failMs: 120 },
  timeout: { okMs: 200, failMs: 3_000 },
} as const;
/** Events, and when they are accepted: more than can be sent, or one every two seconds. */
const backlog = Array.from({ length: 20_000 }, () => 0);
const steady = Array.from({ length: 360 }, (_, n) => n * 2_000);
const loads = {
  backlog: { eventsAtMs: backlog, maxInFlight, untilMs: horizonMs },
  'backlog for two in flight': { eventsAtMs: backlog, maxInFlight: 2, untilMs: 7 * minuteMs },
  steady: { eventsAtMs: steady, maxInFlight, untilMs: horizonMs },
} as const;
/** At 80 % it is up to chance which of them look dead at first; otherwise one is like another. */
const endpointsAt = (load: keyof typeof loads, failing: number): number => {
  if (failing < 0.8) return 6;
  return { backlog: 16, 'backlog for two in flight': 60, steady: 40 }[load];
};

function simulate(
  seed: number,
  settings: Pick<SimulatedEndpoint, 'eventsAtMs' | 'breaker'> & Partial<SimulatedEndpoint>,
  answer: (random: () => number) => SimulatedEndpoint['answer'],
) {
  const random = seededRandom(seed);
  const policy = resolveRetryPolicy(null);
  return simulateEndpoint({
    maxInFlight,
    policy,
    untilMs: horizonMs,
    random,
    ...settings,
    answer: answer(random),
  });
}

const deliveredBy = (
  load: keyof typeof loads,
  kind: keyof typeof kinds,
  failing: number,
  breaker: boolean,
): number => {
  let delivered = 0;
  for (let seed = 1; seed <= endpointsAt(load, failing); seed++)
    delivered += simulate(seed, { ...loads[load], breaker }, (random) => () => {
      const ok = random() >= failing;
      return { ok, tookMs: kinds[kind][ok ? 'okMs' : 'failMs'] };
    }).deliveredAtMs.length;
  return delivered;
};

describe('endpoints that fail a share of requests at random', () => {
  const cases = (Object.keys(loads) as (keyof typeof loads)[]).flatMap((load) =>
    (Object.keys(kinds) as (keyof typeof kinds)[]).flatMap((kind) =>
      [0.1, 0.2, 0.4, 0.6, 0.8].map((failing) => ({ load, kind, failing })),
    ),
  );
  it.each(cases)(
    'get at least 80 % of what they get without a breaker: $load, $kind, $failing',
    ({ load, kind, failing }) => {
      const off = deliveredBy(load, kind, failing, false);
      expect(deliveredBy(load, kind, failing, true) / off).toBeGreaterThanOrEqual(0.8);
    },
  );
});

describe('an endpoint that is dead', () => {
  // In five minutes by the rule before: five failures in a row, and then a probe after 5, 10, 20, 40 and each 60 s. What was
  // in flight beside the fifth was spent as well.
  it.each([
    ['refuses at once', 2, 0, 1, 12],
    ['refuses at once', 2, 0, 10, 12],
    ['answers 500', 100, 0, 1, 12],
    ['answers 500', 100, 0, 10, 12],
    ['times out', 15_000, 0, 1, 10],
    ['times out', 15_000, 0, 10, 18],
    ['refused after a minute of successes', 2, minuteMs, 1, 12],
    ['refused after a minute of successes', 2, minuteMs, 10, 12],
    ['answers 500 after a minute of successes', 100, minuteMs, 1, 12],
    ['answers 500 after a minute of successes', 100, minuteMs, 10, 16],
    ['times out after a minute of successes', 15_000, minuteMs, 1, 10],
    ['times out after a minute of successes', 15_000, minuteMs, 10, 20],
  ])(
    'gets no more than a few sends: %s (%s ms, dead after %s ms, %s in flight)',
    (_, tookMs, deadAtMs, inFlight, most) => {
      const eventsAtMs = Array.from({ length: 20_000 }, (__, n) => n * 20);
      for (let seed = 1; seed <= 5; seed++) {
        const settings = {
          eventsAtMs,
          breaker: true,
          maxInFlight: inFlight,
          untilMs: deadAtMs + 5 * minuteMs,
        };
        const { sendsAtMs } = simulate(
          seed,
          settings,
          () => (atMs) => (atMs < deadAtMs ? { ok: true, tookMs: 10 } : { ok: false, tookMs }),
        );
        expect(sendsAtMs.filter((atMs) => atMs >= deadAtMs).length).toBeLessThanOrEqual(most);
      }
    },
  );

  it('gets more where it had failed most of the time before, but not for long', () => {
    for (let seed = 1; seed <= 5; seed++) {
      const settings = { eventsAtMs: backlog, breaker: true, untilMs: 10 * minuteMs };
      const { sendsAtMs } = simulate(seed, settings, (random) => (atMs) => ({
        ok: random() < 0.4 && atMs < 5 * minuteMs,
        tookMs: 200,
      }));
      expect(sendsAtMs.filter((atMs) => atMs >= 5 * minuteMs).length).toBeLessThanOrEqual(100);
    }
  });
});

describe('an endpoint that recovers', () => {
  it('has its backlog within moments of the first probe that succeeds', () => {
    for (let seed = 1; seed <= 5; seed++) {
      const eventsAtMs = Array.from({ length: 2_000 }, (_, n) => n * 30);
      const settings = { eventsAtMs, breaker: true, untilMs: 10 * minuteMs };
      const backMs = 62_000;
      const { deliveredAtMs } = simulate(seed, settings, () => (atMs) => ({
        ok: atMs < 20_000 || atMs >= backMs,
        tookMs: 100,
      }));
      const firstMs = deliveredAtMs.find((atMs) => atMs >= backMs) ?? Infinity;
      expect(deliveredAtMs).toHaveLength(2_000);
      // 1,333 events at ten in flight take 13.3 s, and the ramp to ten another 0.4 s.
      expect(Math.max(...deliveredAtMs) - firstMs).toBeLessThan(14_000);
    }
  });

  it('is not taken for dead again where one in five sends times out', () => {
    let drainedMs = 0;
    for (let seed = 1; seed <= 20; seed++) {
      const settings = {
        eventsAtMs: Array.from({ length: 200 }, (_, n) => n * 200),
        policy: { delaysSeconds: [1, 2, 4, 8, 16], maxAttempts: 20, jitter: 0.2 },
        breaker: true,
        untilMs: 10 * minuteMs,
      };
      const { deliveredAtMs } = simulate(seed, settings, (random) => (atMs) => {
        const ok = atMs >= 40_000 && random() >= 0.2;
        return { ok, tookMs: ok ? 350 + 700 * random() : 1_500 };
      });
      expect(deliveredAtMs).toHaveLength(200);
      drainedMs += Math.max(...deliveredAtMs) - Math.min(...deliveredAtMs);
    }
    // 17.5 s of sends at ten in flight, and up to 16 s until the retry of what failed. By the rule before it took 45 s.
    expect(drainedMs / 20).toBeLessThan(38_000);
  });
});

describe('an endpoint that fails because of too many at once', () => {
  it('gets fewer at once, and more delivered', () => {
    const run = (breaker: boolean) =>
      simulate(1, { eventsAtMs: backlog, breaker }, (random) => (_, underway) => ({
        ok: random() < (underway <= 5 ? 0.97 : 0.2),
        tookMs: 300 + 200 * random(),
      }));
    const [on, off] = [run(true), run(false)];
    const failed = ({ sendsAtMs, deliveredAtMs }: typeof on) => sendsAtMs.length - deliveredAtMs.length;
    expect(on.deliveredAtMs.length).toBeGreaterThan(1.3 * off.deliveredAtMs.length);
    expect(failed(on)).toBeLessThan(0.5 * failed(off));
  });
});
