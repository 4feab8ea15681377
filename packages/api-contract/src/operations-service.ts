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
    summary: 'Check that the process runs',
    description:
      'Responds as long as the process runs, whatever the state of Postgres and Redis. For liveness probes.',
    responses: { 200: { description: 'The process runs.', schema: healthResource } },
  }),
  getReady: operation({
    ...open,
    operationId: 'getReady',
    path: '/ready',
    summary: 'Check that the process is ready',
    description:
      'Checks Postgres, its settings, Redis, migrations and clocks, each with a deadline. For readiness probes.',
    responses: {
      200: { description: 'The process is ready.', schema: readyResource },
      503: { description: 'A required check fails.', schema: readyResource },
    },
  }),
  getOpenApi: operation({
    ...open,
    operationId: 'getOpenApi',
    path: '/openapi.json',
    summary: 'Read this reference as OpenAPI 3.1',
    description: 'Made from the schemas that validate requests. Pages of any origin may read it.',
    responses: { 200: { description: 'The document.', schema: Joi.object().unknown() } },
  }),
  getDocs: operation({
    ...open,
    operationId: 'getDocs',
    path: '/docs',
    summary: 'Read this reference as a page',
    description: 'The page has no scripts and loads nothing from other servers.',
    responses: { 200: { description: 'The page.', schema: Joi.string(), mediaType: 'text/html' } },
  }),
} as const;
