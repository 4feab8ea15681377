import { type SignatureProblem, signatureProblems } from '@posthorn/domain';

import { emptyName } from './delivery-headers-schema.js';
import { idInput } from './fields.js';
import { Joi, maxCharacters } from './strict-joi.js';

export interface VerifySignatureBody {
  /** A uuid after validation. */
  endpointId: string;
  headers: Record<string, string | string[]>;
  body: string;
}

export interface VerificationResource {
  valid: boolean;
  reason?: SignatureProblem;
  detail?: string;
}

const valueForm = {
  'alternatives.types': '{{#label}} must be a string, or an array of strings such as ["a", "b"]',
  'alternatives.match': '{{#label}} must be a string, or an array of strings such as ["a", "b"]',
};
const headerValue = maxCharacters(Joi.string().allow(''), 16_384);

export const verifySignatureBody = Joi.object<VerifySignatureBody, true>({
  endpointId: idInput('endpoint').required(),
  headers: Joi.object()
    .pattern(
      Joi.string(),
      Joi.alternatives(headerValue, Joi.array().items(headerValue).max(100)).messages(valueForm),
    )
    .messages(emptyName)
    .max(200)
    .required()
    .description(
      'The headers that were received. The case of names does not matter; values of names that differ only in case are ' +
        'joined. Other headers may be included.',
    ),
  body: Joi.string()
    .allow('')
    .required()
    .description('The body as text, byte for byte as received, before any parsing.'),
});

export const verificationResource = Joi.object<VerificationResource, true>({
  valid: Joi.boolean().required().description('Whether a receiver should accept the request.'),
  reason: Joi.string()
    .valid(...signatureProblems)
    .description(
      'Absent when valid. `no_matching_signature`: the secret is another one, or the signed content was changed; the ' +
        'two cases look the same.',
    ),
  detail: Joi.string().description(
    'The reason as a sentence, with the header and the time. Absent when valid.',
  ),
});
