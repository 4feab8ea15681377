import {
  type RetryPolicyInput,
  retryPolicyLimits as limits,
  retryPolicyProblem,
  retryPresets,
} from '@posthorn/domain';
import { Joi } from './strict-joi.js';

const delay = Joi.number().min(limits.delaySecondsMin).max(limits.delaySecondsMax);

const fields = {
  preset: Joi.string().valid(...retryPresets),
  delaysSeconds: Joi.array()
    .items(delay)
    .min(1)
    .max(limits.delaysMax)
    .description('Waits between attempts; past the end the last repeats.'),
  baseSeconds: delay,
  factor: Joi.number().min(limits.factorMin).max(limits.factorMax),
  maxSeconds: delay,
  maxAttempts: Joi.number().integer().min(limits.attemptsMin).max(limits.attemptsMax),
  jitter: Joi.number()
    .min(limits.jitterMin)
    .max(limits.jitterMax)
    .description('A share: the delay d becomes uniform in [d·(1−j), d·(1+j)].'),
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
