import { Joi } from './strict-joi.js';

import { noParams, noQuery } from './fields.js';
import { operation } from './operation.js';
import { healthResource, readyResource } from './service.js';

const group = 'Service';
const open = {
  method: 'get',
  group,
  params: noParams,
  query: noQuery,
  body: null,
  problems: [],
} as const;

export const serviceOperations = {
  getHealth: operation({
    ...open,
    operationId: 'getHealth',
    path: '/health',
    summary: 'Is the process alive?',
    description: 'Answers as long as the process runs, whatever it depends on. For liveness probes.',
    responses: { 200: { description: 'It is.', schema: healthResource } },
  }),
  getReady: operation({
    ...open,
    operationId: 'getReady',
    path: '/ready',
    summary: 'Can the process serve?',
    description:
      'Checks Postgres, its settings, Redis, migrations and clocks, each with a deadline. For readiness probes.',
    responses: {
      200: { description: 'It can.', schema: readyResource },
      503: { description: 'A required check fails.', schema: readyResource },
    },
  }),
  getOpenApi: operation({
    ...open,
    operationId: 'getOpenApi',
    path: '/openapi.json',
    summary: 'This description as OpenAPI 3.1',
    description: 'Made from the schemas that requests are validated with. Readable from pages of any origin.',
    responses: { 200: { description: 'The document.', schema: Joi.object().unknown() } },
  }),
  getDocs: operation({
    ...open,
    operationId: 'getDocs',
    path: '/docs',
    summary: 'This description as a page',
    description: 'Without scripts, and nothing is loaded from elsewhere.',
    responses: { 200: { description: 'The page.', schema: Joi.string(), mediaType: 'text/html' } },
  }),
} as const;
