import {
  type RetryPolicyInput,
  retryPolicyLimits as limits,
  retryPolicyProblem,
  retryPresets,
} from '@posthorn/domain';
import { Joi } from './strict-joi.js';

const delay = Joi.number().min(limits.delaySecondsMin).max(limits.delaySecondsMax);
const ofGrowth =
  'With the other two instead of `delaysSeconds`: the wait before attempt n + 1 is `baseSeconds` · `factor`^(n − 1), `maxSeconds` at most.';

const fields = {
  preset: Joi.string()
    .valid(...retryPresets)
    .description(
      'What the other fields override. `default`: 12 attempts in a day; `patient`: 10 in three days; `fast`: 8 in four minutes.',
    ),
  delaysSeconds: Joi.array()
    .items(delay)
    .min(1)
    .max(limits.delaysMax)
    .description('Waits between attempts; past the end the last repeats.'),
  baseSeconds: delay.description(ofGrowth),
  factor: Joi.number().min(limits.factorMin).max(limits.factorMax).description('See `baseSeconds`.'),
  maxSeconds: delay.description('See `baseSeconds`.'),
  maxAttempts: Joi.number()
    .integer()
    .min(limits.attemptsMin)
    .max(limits.attemptsMax)
    .description('How often it is tried at most, the first time included.'),
  jitter: Joi.number()
    .min(limits.jitterMin)
    .max(limits.jitterMax)
    .description('A share: the delay d becomes uniform in [d·(1−j), d·(1+j)].'),
  parkedMaxSeconds: Joi.number()
    .min(limits.parkedSecondsMin)
    .max(limits.parkedSecondsMax)
    .description(
      'How long a delivery may wait for the circuit breaker, a rate limit or free concurrency beyond all its delays; the time ' +
        'that its attempts take counts as well. Default: as long as all delays together, at least an hour and at most 72 hours.',
    ),
};

export const retryPolicy = Joi.object<RetryPolicyInput>(fields)
  .custom((value: RetryPolicyInput, helpers) => {
    const problem = retryPolicyProblem(value);
    return problem === null ? value : helpers.message({ custom: `{{#label}}: ${problem}` });
  })
  .description('Any subset of the fields overrides the preset.');

/** For a merge patch: null takes a field out. The merged policy is checked as a whole afterwards. */
export const retryPolicyPatch = Joi.object(
  Object.fromEntries(Object.entries(fields).map(([name, schema]) => [name, schema.allow(null)])),
);
