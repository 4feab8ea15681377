import { encodeId } from '@posthorn/domain';
import { operations, type ReplayBody } from '@posthorn/api-contract';
import type { CustomerStore, EndpointStore, IdempotentAnswerStore, Transaction } from '@posthorn/database';
import type { Replay, ReplayFilter, ReplayStateOutcome, ReplayStore } from '@posthorn/delivery/replay';
import { AppError, type Caller, customerFilter, mountOperation, notFound } from '@posthorn/http';
import type { Logger } from '@posthorn/runtime';
import type { RequestHandler, Router } from 'express';
import { respondIdempotently } from './respond-idempotently.js';
import { idCursor, pageResource, readCursor } from './cursor.js';
import { findCustomer } from './customers.js';
import { findEndpoint } from './find-endpoint.js';
import { replayResource } from './replay-resource.js';
import type { TakeTurn } from './take-turns.js';

export interface ReplaysDeps {
  authentication: RequestHandler;
  customers: CustomerStore;
  endpoints: EndpointStore;
  replays: ReplayStore;
  answers: IdempotentAnswerStore;
  takeTurn: TakeTurn;
  logger: Logger;
}

const cursorForm = idCursor('replays');

export function mountReplays(router: Router, deps: ReplaysDeps): void {
  const { authentication, customers, replays, answers, takeTurn, logger } = deps;

  mountOperation(router, operations.createReplay, authentication, async (request) => {
    const filter = await checkedFilter(deps, request.caller, request.body);
    const { customerId } = filter;
    const party = { caller: request.caller, customerId };
    if (request.body.dryRun) {
      const { matched, more } = await takeTurn(party, () => replays.count(filter));
      return { status: 200, body: { matched, more }, unchanged: true };
    }
    let created: Replay | undefined;
    const work = async (tx: Transaction) => {
      created = await create(replays, tx, filter);
      return { status: 201 as const, body: replayResource(created) };
    };
    // It counts in its transaction, so what waits for its turn must not have begun one.
    const answer = await takeTurn(party, () =>
      respondIdempotently(answers, operations.createReplay, request, customerId, work),
    );
    if (created) logger.info('replay.started', factsOf(created));
    return answer;
  });

  mountOperation(router, operations.listReplays, authentication, async ({ query, caller }) => {
    const before = readCursor(cursorForm, query.cursor);
    const customerId = customerFilter(caller, query.customerId);
    if (customerId !== null) await findCustomer(customers, caller, customerId);
    const page = await replays.list({ customerId, state: query.state ?? null, limit: query.limit, before });
    return { status: 200, body: pageResource(cursorForm, page, replayResource) };
  });

  mountOperation(router, operations.getReplay, authentication, async ({ params, caller }) => ({
    status: 200,
    body: replayResource(await findReplay(deps, caller, params.replayId)),
  }));

  for (const [operation, change, logged] of [
    [operations.pauseReplay, 'pause', 'replay.paused'],
    [operations.resumeReplay, 'resume', 'replay.resumed'],
    [operations.cancelReplay, 'cancel', 'replay.cancelled'],
  ] as const) {
    mountOperation(router, operation, authentication, async ({ params, caller }) => {
      const { id } = await findReplay(deps, caller, params.replayId);
      refuse(await replays[change](id));
      const replay = await findReplay(deps, caller, id);
      logger.info(logged, factsOf(replay));
      return { status: 200, body: replayResource(replay) };
    });
  }
}

/** Throws `not_found` for a customer or an endpoint that is not there or not the caller's. */
async function checkedFilter(
  { customers, endpoints }: ReplaysDeps,
  caller: Caller,
  { customerId, endpointId, status, type, since, until }: ReplayBody,
): Promise<ReplayFilter> {
  await findCustomer(customers, caller, customerId);
  if (endpointId !== undefined) {
    const endpoint = await findEndpoint(endpoints, caller, endpointId);
    if (endpoint.customerId !== customerId) throw notFound();
  }
  return {
    customerId,
    endpointId: endpointId ?? null,
    status,
    type: type ?? null,
    since: since === undefined ? null : new Date(since),
    until: until === undefined ? null : new Date(until),
  };
}

async function create(replays: ReplayStore, tx: Transaction, filter: ReplayFilter): Promise<Replay> {
  const outcome = await replays.create(tx, filter);
  switch (outcome.kind) {
    case 'created':
      return outcome.replay;
    case 'in_progress':
      throw new AppError({
        code: 'replay_in_progress',
        detail: 'The customer has a replay that is running or paused; wait until it ends, or cancel it.',
      });
    case 'too_many':
      throw new AppError({
        code: 'unprocessable',
        detail: 'The filter matches too many deliveries for one replay; narrow it, for example by time.',
      });
    case 'unknown_customer':
      throw notFound();
  }
}

async function findReplay({ replays, customers }: ReplaysDeps, caller: Caller, id: string): Promise<Replay> {
  const replay = await replays.get(id);
  if (!replay) throw notFound();
  await findCustomer(customers, caller, replay.customerId);
  return replay;
}

function refuse(outcome: ReplayStateOutcome): void {
  switch (outcome.kind) {
    case 'done':
      return;
    case 'refused':
      throw new AppError({ code: 'conflict', detail: `The replay is ${outcome.state}.` });
    case 'not_found':
      throw notFound();
  }
}

function factsOf({ id, customerId, matched, done, failed }: Replay) {
  return { replay_id: encodeId('rpl', id), customer_id: customerId, matched, done, failed };
}
