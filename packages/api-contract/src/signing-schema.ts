import {
  type DigestAlgorithm,
  digestAlgorithms,
  type Signing,
  type SigningScheme,
  signingSchemes,
} from '@posthorn/domain';

import { documented, Joi } from './strict-joi.js';

export interface SigningPatch {
  scheme?: SigningScheme | null;
  algorithm?: DigestAlgorithm | null;
}

const scheme = Joi.string()
  .valid(...signingSchemes)
  .description(
    '`standard`: Standard Webhooks. `timestamped`: `Webhook-Signature: t=…,v1=…`. `digest`: `X-Webhook-Signature: sha256=…`.',
  );
const algorithm = Joi.string().valid(...digestAlgorithms);
const algorithmNote = 'For `digest` only. Default `sha256`.';

export const signing = documented(
  Joi.object<Signing>({
    scheme: scheme.default('standard'),
    algorithm: algorithm.description(algorithmNote),
  }).custom((value: { scheme: SigningScheme; algorithm?: DigestAlgorithm }, helpers) => {
    if (value.scheme === 'digest') return { ...value, algorithm: value.algorithm ?? 'sha256' };
    if (value.algorithm === undefined) return value;
    return helpers.message({ custom: '{{#label}}: "algorithm" is for the scheme "digest" only' });
  }),
  {
    not: {
      properties: { scheme: { enum: signingSchemes.filter((name) => name !== 'digest') } },
      required: ['algorithm'],
    },
  },
);

/** For a merge patch. */
export const signingPatch = Joi.object<SigningPatch>({
  scheme: scheme.allow(null),
  algorithm: algorithm
    .allow(null)
    .description(`${algorithmNote} Another scheme without an algorithm takes its default.`),
});

export const signingResource = Joi.object<Signing>({
  scheme: scheme.required(),
  algorithm: algorithm.description('For `digest` only.'),
});
