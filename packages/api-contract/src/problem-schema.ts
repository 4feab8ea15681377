import { Joi } from './strict-joi.js';

import { type ProblemDocument, problemCodes } from './problem.js';

export const problemResource = Joi.object<ProblemDocument, true>({
  type: Joi.string().required().description('Link to the description of the code.'),
  title: Joi.string().required().description('The code as a sentence.'),
  status: Joi.number().integer().required().description('Status of the response.'),
  code: Joi.string()
    .valid(...Object.keys(problemCodes))
    .required()
    .description('Stable: handle errors by this code.'),
  detail: Joi.string().required().description('Text for people. It may change.'),
  requestId: Joi.string().required().description('Same as `X-Request-Id`.'),
  errors: Joi.array()
    .items(
      Joi.object({
        path: Joi.string()
          .allow('')
          .required()
          .description('Dotted path such as `events.3.type`; empty for the whole value.'),
        message: Joi.string().required().description('What is wrong at this path.'),
      }),
    )
    .description('All errors in the request.'),
});
