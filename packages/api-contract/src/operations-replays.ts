import { Joi } from './strict-joi.js';

import { idempotencyKey } from './events.js';
import { idInput, noParams, noQuery } from './fields.js';
import { operation } from './operation.js';
import { repeatHeaders } from './operations-events.js';
import { pageOf } from './page.js';
import { listReplaysQuery, replayBody, replayMatchesResource, replayResource } from './replays.js';

const group = 'Replays';

const replayParams = Joi.object<{ replayId: string }>({ replayId: idInput('replay').required() });
const changed = { 200: { description: 'The replay after the change.', schema: replayResource } };

export const replayOperations = {
  createReplay: operation({
    operationId: 'createReplay',
    method: 'post',
    path: '/v1/replays',
    group,
    summary: 'Replay many deliveries by filter',
    description:
      'Opens each matching finished delivery once, by the rules of a single replay. It is paced: at most 50 of them ' +
      'are unfinished at any endpoint, so that other deliveries do not wait. Deliveries that finish after the replay ' +
      'was created are not part of it, nor are those that fail again. For an endpoint that is paused or disabled the ' +
      'replay waits until it is enabled, while other endpoints continue. A customer has at most one running or paused ' +
      'replay: 409 `replay_in_progress`. With `dryRun` the request only counts, and `Idempotency-Key` has no effect. A ' +
      'process runs one dry run per customer at a time and lets five wait: more get 429, and 503 when too many wait in ' +
      'all.',
    params: noParams,
    query: noQuery,
    headers: { 'Idempotency-Key': idempotencyKey },
    body: replayBody,
    example: { customerId: 'acme', type: 'invoice.paid', since: '2026-01-31T00:00:00Z' },
    responses: {
      200: {
        description: 'Dry run: the number of matches. No replay was created.',
        schema: replayMatchesResource,
      },
      201: {
        description: 'The replay, which starts within a second. A repeated request gets the first response.',
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
    description: 'Running, paused and finished replays.',
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
    description: 'The counts change while it runs: `matched` = `done` + `failed` + `remaining`.',
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
    description: 'After the response no more deliveries are opened. Those already opened are still sent.',
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
    description: 'It continues where it was paused.',
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
      'After the response no more deliveries are opened. Those already opened are still sent, but no longer counted; ' +
      '`POST /v1/deliveries/cancel` cancels them.',
    params: replayParams,
    query: noQuery,
    body: null,
    responses: changed,
    problems: ['not_found', 'conflict'],
  }),
} as const;
