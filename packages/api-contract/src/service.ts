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

export const healthResource = Joi.object<HealthResource>({
  status: Joi.string().valid('ok').required().description('It answers, so it is.'),
});

export const readyResource = Joi.object<ReadyResource>({
  status: Joi.string()
    .valid('ready', 'degraded', 'not_ready')
    .required()
    .description('`degraded`: only checks that are not required fail.'),
  checks: Joi.object()
    .pattern(
      Joi.string(),
      Joi.object({
        ok: Joi.boolean().required().description('Whether it passed.'),
        required: Joi.boolean().required().description('Whether the process is not ready when it fails.'),
        latencyMs: Joi.number().min(0).required().description('How long it took.'),
        detail: Joi.string().description('What it found.'),
      }),
    )
    .required()
    .description('By name.'),
});
