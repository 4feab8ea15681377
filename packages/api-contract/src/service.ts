import { Joi } from './strict-joi.js';

export interface HealthResource {
  status: 'ok';
}

export interface ReadyResource {
  status: 'ready' | 'degraded' | 'not_ready';
  checks: Record<string, ReadyCheckResource>;
}

export interface ReadyCheckResource {
  ok: boolean;
  /** A failed check that is not required leaves the process ready. */
  required: boolean;
  latencyMs: number;
  detail?: string;
}

export const healthResource = Joi.object<HealthResource, true>({
  status: Joi.string().valid('ok').required().description('Always `ok`.'),
});

export const readyResource = Joi.object<ReadyResource, true>({
  status: Joi.string()
    .valid('ready', 'degraded', 'not_ready')
    .required()
    .description('`degraded`: checks fail, but none of the required ones.'),
  checks: Joi.object()
    .pattern(
      Joi.string(),
      Joi.object({
        ok: Joi.boolean().required().description('Whether the check passed.'),
        required: Joi.boolean()
          .required()
          .description('Whether the process is not ready when this check fails.'),
        latencyMs: Joi.number().min(0).required().description('Duration of the check.'),
        detail: Joi.string().description('Result of the check.'),
      }),
    )
    .required()
    .description('Checks by name.'),
});
