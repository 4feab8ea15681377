import {
  type RetryPolicyInput,
  retryPolicyLimits as limits,
  retryPolicyProblem,
  retryPresets,
} from '@posthorn/domain';
import { Joi } from './strict-joi.js';

const delay = Joi.number().min(limits.delaySecondsMin).max(limits.delaySecondsMax);
const ofGrowth =
  'Together with `factor` and `maxSeconds`, instead of `delaysSeconds`: the delay before attempt n + 1 is ' +
  '`baseSeconds` · `factor`^(n − 1), at most `maxSeconds`.';

const fields = {
  preset: Joi.string()
    .valid(...retryPresets)
    .description(
      'The base that the other fields override. `default`: 12 attempts in a day; `patient`: 10 in three days; `fast`: ' +
        '8 in four minutes.',
    ),
  delaysSeconds: Joi.array()
    .items(delay)
    .min(1)
    .max(limits.delaysMax)
    .description('Delays between attempts. After the last one it is repeated.'),
  baseSeconds: delay.description(ofGrowth),
  factor: Joi.number().min(limits.factorMin).max(limits.factorMax).description('See `baseSeconds`.'),
  maxSeconds: delay.description('See `baseSeconds`.'),
  maxAttempts: Joi.number()
    .integer()
    .min(limits.attemptsMin)
    .max(limits.attemptsMax)
    .description('Maximum number of attempts, including the first.'),
  jitter: Joi.number()
    .min(limits.jitterMin)
    .max(limits.jitterMax)
    .description('A share: the delay d becomes uniform in [d·(1−j), d·(1+j)].'),
  parkedMaxSeconds: Joi.number()
    .min(limits.parkedSecondsMin)
    .max(limits.parkedSecondsMax)
    .description(
      'How long a delivery may wait for the circuit breaker, a rate limit or a free slot, in addition to all its ' +
        'delays. The duration of its attempts counts too. Default: the sum of all delays, at least an hour and at most ' +
        '72 hours.',
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
