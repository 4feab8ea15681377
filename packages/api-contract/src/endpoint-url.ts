import { Joi } from './strict-joi.js';

const urlLengthMax = 2048;

/** The shape only; whether the target is allowed is the sender's to say (`422 unprocessable`). */
export const endpointUrl = Joi.string()
  .max(urlLengthMax)
  .uri({ scheme: ['https', 'http'] })
  .description('Absolute http or https URL.');
