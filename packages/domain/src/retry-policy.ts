/** How an endpoint's owner writes a policy; whatever is left out comes from the preset. */
export interface RetryPolicyInput {
  readonly preset?: RetryPreset;
  /** An explicit list; past its end the last delay repeats. Not together with base, factor and max. */
  readonly delaysSeconds?: readonly number[];
  readonly baseSeconds?: number;
  readonly factor?: number;
  readonly maxSeconds?: number;
  readonly maxAttempts?: number;
  /** A share: the delay d becomes uniform in [d·(1−j), d·(1+j)]. */
  readonly jitter?: number;
  /** How long a delivery may be parked on top of the policy's span; left out, see `parkedMaxMs`. */
  readonly parkedMaxSeconds?: number;
}

/** A policy with nothing left open. `delaysSeconds` is never empty; past its end the last delay repeats. */
export interface RetryPolicy {
  readonly delaysSeconds: readonly number[];
  /** All tries of one opening, the first included. */
  readonly maxAttempts: number;
  readonly jitter: number;
}

export const retryPresets = ['default', 'patient', 'fast'] as const;
export type RetryPreset = (typeof retryPresets)[number];

/** Bounds for each field. The span keeps every delivery's end well inside the default retention of 30 days. */
export const retryPolicyLimits = {
  attemptsMin: 1,
  attemptsMax: 50,
  delaysMax: 50,
  delaySecondsMin: 0,
  delaySecondsMax: 7 * 86_400,
  factorMin: 1,
  factorMax: 10,
  jitterMin: 0,
  jitterMax: 1,
  spanSecondsMax: 21 * 86_400,
  parkedSecondsMin: 1,
  parkedSecondsMax: 72 * 3600,
} as const;

/** Fills the gaps of an input from its preset; null and `{}` give the default policy. */
export function resolveRetryPolicy(input: RetryPolicyInput | null): RetryPolicy {
  const preset = presets[input?.preset ?? 'default'];
  if (input === null) return preset;
  const maxAttempts = input.maxAttempts ?? preset.maxAttempts;
  return {
    delaysSeconds: input.delaysSeconds ?? exponentialDelays(input, maxAttempts) ?? preset.delaysSeconds,
    maxAttempts,
    jitter: input.jitter ?? preset.jitter,
  };
}

/** What is wrong with an input whose fields are each within their limits, or null: rules that span several fields. */
export function retryPolicyProblem(input: RetryPolicyInput): string | null {
  if (input.delaysSeconds !== undefined && isExponential(input)) {
    return 'delaysSeconds cannot be combined with baseSeconds, factor or maxSeconds; give either the list or the other three';
  }
  if (retrySpanMs(resolveRetryPolicy(input)) > retryPolicyLimits.spanSecondsMax * 1000) {
    return `all delays together, jitter included, must not pass ${retryPolicyLimits.spanSecondsMax} seconds; make fewer attempts or shorter delays`;
  }
  return null;
}

/** The wait after the n-th failed attempt (n ≥ 1), in whole ms. `random` gives a number in [0, 1). */
export function retryDelayMs(policy: RetryPolicy, failedAttempts: number, random: () => number): number {
  const share = 1 - policy.jitter + 2 * policy.jitter * random();
  return Math.round(delaySeconds(policy, failedAttempts) * 1000 * share);
}

/** The longest time from a delivery's first attempt to its last by the policy alone. */
export function retrySpanMs(policy: RetryPolicy): number {
  let seconds = 0;
  for (let failed = 1; failed < policy.maxAttempts; failed++) seconds += delaySeconds(policy, failed);
  return Math.ceil(seconds * 1000 * (1 + policy.jitter));
}

/**
 * How long beyond its policy's span a delivery may last: what breakers, rate limits and waiting lines may take. Unless the
 * policy says otherwise as long as the span, an hour at the least and 72 hours at most.
 */
export function parkedMaxMs(input: RetryPolicyInput | null): number {
  if (input?.parkedMaxSeconds !== undefined) return Math.ceil(input.parkedMaxSeconds * 1000);
  const maxMs = retryPolicyLimits.parkedSecondsMax * 1000;
  return Math.min(maxMs, Math.max(parkedMaxFloorMs, retrySpanMs(resolveRetryPolicy(input))));
}

const parkedMaxFloorMs = 3_600_000;

/**
 * `default` ends 23 h 52 m 35 s after the first attempt. Its jitter is small on purpose: even with every draw at the
 * short end the last attempt comes after 23 h 31 m, and a receiver that was down for 23 h 30 m still gets the event.
 * `patient` is the schedule that the Standard Webhooks specification suggests (three days). `fast` is over in four minutes.
 */
const presets: Readonly<Record<RetryPreset, RetryPolicy>> = {
  default: {
    delaysSeconds: [5, 30, 120, 300, 900, 1800, 3600, 7200, 14_400, 21_600, 36_000],
    maxAttempts: 12,
    jitter: 0.015,
  },
  patient: {
    delaysSeconds: [5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400],
    maxAttempts: 10,
    jitter: 0.1,
  },
  fast: { delaysSeconds: [1, 2, 5, 15, 30, 60, 120], maxAttempts: 8, jitter: 0.2 },
};

function isExponential(input: RetryPolicyInput): boolean {
  return input.baseSeconds !== undefined || input.factor !== undefined || input.maxSeconds !== undefined;
}

function exponentialDelays(input: RetryPolicyInput, maxAttempts: number): number[] | null {
  if (!isExponential(input)) return null;
  const { baseSeconds = 5, factor = 2, maxSeconds = 36_000 } = input;
  const count = Math.max(1, maxAttempts - 1);
  return Array.from({ length: count }, (_, n) => Math.min(baseSeconds * factor ** n, maxSeconds));
}

function delaySeconds(policy: RetryPolicy, failedAttempts: number): number {
  const last = policy.delaysSeconds.length - 1;
  return policy.delaysSeconds[Math.min(failedAttempts - 1, last)] ?? 0;
}
