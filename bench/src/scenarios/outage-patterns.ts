/** When the receivers of a group are down, in hours since the story began. Ends are exclusive; spans ascend. */
export interface OutagePattern {
  name: string;
  title: string;
  down: readonly (readonly [fromHour: number, toHour: number])[];
}

export const STORY_HOURS = 24;

const MINUTE = 1 / 60;

export const outagePatterns: readonly OutagePattern[] = [
  {
    name: 'blips',
    title: 'down 2 minutes in every hour',
    down: Array.from({ length: STORY_HOURS }, (_, hour) => [hour + 0.5, hour + 0.5 + 2 * MINUTE] as const),
  },
  {
    name: 'hours',
    title: 'down from 2 h to 6 h and from 12 h to 15 h',
    down: [
      [2, 6],
      [12, 15],
    ],
  },
  {
    name: 'flapping',
    title: '10 minutes down, 10 minutes up, from 4 h to 16 h',
    down: Array.from(
      { length: 36 },
      (_, cycle) => [4 + 20 * cycle * MINUTE, 4 + (20 * cycle + 10) * MINUTE] as const,
    ),
  },
  { name: 'day', title: 'down from 0 h to 23 h 30', down: [[0, 23.5]] },
];

export function isDown({ down }: OutagePattern, hour: number): boolean {
  return down.some(([from, to]) => hour >= from && hour < to);
}

export interface Change {
  hour: number;
  pattern: OutagePattern;
  down: boolean;
}

/** Every going down and coming back, in order. */
export function changesOf(patterns: readonly OutagePattern[]): Change[] {
  return patterns
    .flatMap((pattern) =>
      pattern.down.flatMap(([from, to]): Change[] => [
        { hour: from, pattern, down: true },
        { hour: to, pattern, down: false },
      ]),
    )
    .sort((a, b) => a.hour - b.hour);
}

/** What became of one delivery, in hours of the story. */
export interface Fate {
  pattern: string;
  madeHour: number;
  firstFailed: boolean;
  /** It was not sent at once, because the endpoint's breaker was open. */
  waited: boolean;
  attempts: number;
  /** Infinity: not delivered. */
  deliveredHour: number;
}

export interface PatternOutcome {
  deliveries: number;
  delivered: number;
  firstFailed: number;
  /** Of those that failed at first, delivered in time after their event; in percent. */
  firstFailedInTime: number;
  waited: number;
  /** The same of those that failed at first or waited for the breaker. */
  heldUpInTime: number;
  longestHours: number;
  attemptsEach: number;
}

/** `allowedHours`: what is still in time; a day unless told. */
export function summarize(fates: readonly Fate[], allowedHours = STORY_HOURS): PatternOutcome {
  const firstFailed = fates.filter((fate) => fate.firstFailed);
  const heldUp = fates.filter((fate) => fate.firstFailed || fate.waited);
  return {
    deliveries: fates.length,
    delivered: fates.filter(({ deliveredHour }) => deliveredHour < Infinity).length,
    firstFailed: firstFailed.length,
    firstFailedInTime: percentInTime(firstFailed, allowedHours),
    waited: heldUp.length - firstFailed.length,
    heldUpInTime: percentInTime(heldUp, allowedHours),
    longestHours: fates.reduce(
      (most, { deliveredHour, madeHour }) => Math.max(most, deliveredHour - madeHour),
      0,
    ),
    attemptsEach: fates.reduce((sum, { attempts }) => sum + attempts, 0) / fates.length,
  };
}

function percentInTime(fates: readonly Fate[], allowedHours: number): number {
  if (fates.length === 0) return 100;
  const inTime = fates.filter(({ deliveredHour, madeHour }) => deliveredHour - madeHour <= allowedHours);
  return (100 * inTime.length) / fates.length;
}
