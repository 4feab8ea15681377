import { Joi } from './strict-joi.js';

import { type ProblemDocument, problemCodes } from './problem.js';

export const problemResource = Joi.object<ProblemDocument>({
  type: Joi.string().required().description('A reference to the description of the code.'),
  title: Joi.string().required().description('The code in words.'),
  status: Joi.number().integer().required().description('That of the answer.'),
  code: Joi.string()
    .valid(...Object.keys(problemCodes))
    .required()
    .description('Stable; decide by this.'),
  detail: Joi.string().required().description('For people; may change.'),
  requestId: Joi.string().required().description('As in `X-Request-Id`.'),
  errors: Joi.array()
    .items(
      Joi.object({
        path: Joi.string()
          .allow('')
          .required()
          .description('Dotted, such as `events.3.type`; empty for the whole.'),
        message: Joi.string().required().description('What is wrong there.'),
      }),
    )
    .description('All problems of the request at once.'),
});
