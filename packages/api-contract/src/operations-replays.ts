import { Joi } from './strict-joi.js';

import { idempotencyKey } from './events.js';
import { idInput, noParams, noQuery } from './fields.js';
import { operation } from './operation.js';
import { repeatHeaders } from './operations-events.js';
import { pageOf } from './page.js';
import { listReplaysQuery, replayBody, replayMatchesResource, replayResource } from './replays.js';

const group = 'Replays';

const replayParams = Joi.object<{ replayId: string }>({ replayId: idInput('replay').required() });
const changed = { 200: { description: 'The replay as it is now.', schema: replayResource } };

export const replayOperations = {
  createReplay: operation({
    operationId: 'createReplay',
    method: 'post',
    path: '/v1/replays',
    group,
    summary: 'Replay many deliveries by filter',
    description:
      'Opens the finished deliveries that match, each once and by the rules of a single replay, at a pace: at every endpoint ' +
      'at most 50 of them are unfinished at a time, so that nobody else waits. What finishes after the replay was made is ' +
      'not part of it, nor is what fails again. An endpoint that is paused or disabled waits until it is enabled, while ' +
      'the others go on. One replay per customer is running or paused at a time: 409 `replay_in_progress`. With `dryRun` ' +
      'it only counts, and `Idempotency-Key` has no effect. One of a customer is counted at a time in a process, and five ' +
      'wait: 429 for more, 503 when too many wait in all.',
    params: noParams,
    query: noQuery,
    headers: { 'Idempotency-Key': idempotencyKey },
    body: replayBody,
    example: { customerId: 'acme', type: 'invoice.paid', since: '2026-01-31T00:00:00Z' },
    responses: {
      200: { description: 'Dry run: what matches. Nothing was made.', schema: replayMatchesResource },
      201: {
        description: 'The replay, which begins within a second; or the first answer to a repeat.',
        schema: replayResource,
        headers: repeatHeaders,
      },
    },
    problems: ['invalid_request', 'not_found', 'replay_in_progress', 'idempotency_conflict', 'unprocessable'],
  }),
  listReplays: operation({
    operationId: 'listReplays',
    method: 'get',
    path: '/v1/replays',
    group,
    summary: 'List replays',
    description: 'Running, paused and finished ones.',
    params: noParams,
    query: listReplaysQuery,
    body: null,
    responses: { 200: { description: 'Newest first.', schema: pageOf(replayResource) } },
    problems: ['invalid_request', 'not_found'],
  }),
  getReplay: operation({
    operationId: 'getReplay',
    method: 'get',
    path: '/v1/replays/{replayId}',
    group,
    summary: 'Read a replay and its progress',
    description: 'The counts go on while it runs: `matched` = `done` + `failed` + `remaining`.',
    params: replayParams,
    query: noQuery,
    body: null,
    responses: { 200: { description: 'The replay.', schema: replayResource } },
    problems: ['not_found'],
  }),
  pauseReplay: operation({
    operationId: 'pauseReplay',
    method: 'post',
    path: '/v1/replays/{replayId}/pause',
    group,
    summary: 'Pause a replay',
    description: 'Nothing more is opened once this is answered. What was opened goes on.',
    params: replayParams,
    query: noQuery,
    body: null,
    responses: changed,
    problems: ['not_found', 'conflict'],
  }),
  resumeReplay: operation({
    operationId: 'resumeReplay',
    method: 'post',
    path: '/v1/replays/{replayId}/resume',
    group,
    summary: 'Resume a paused replay',
    description: 'It goes on where it was paused.',
    params: replayParams,
    query: noQuery,
    body: null,
    responses: changed,
    problems: ['not_found', 'conflict'],
  }),
  cancelReplay: operation({
    operationId: 'cancelReplay',
    method: 'post',
    path: '/v1/replays/{replayId}/cancel',
    group,
    summary: 'Cancel a replay',
    description:
      'Nothing more is opened once this is answered. What was opened goes on and is no longer counted; ' +
      '`POST /v1/deliveries/cancel` ends it.',
    params: replayParams,
    query: noQuery,
    body: null,
    responses: changed,
    problems: ['not_found', 'conflict'],
  }),
} as const;
