import { setTimeout as sleep } from 'node:timers/promises';
import type { Page, ReplayMatchesResource, ReplayResource } from '@posthorn/api-contract';
import type { Environment } from '@posthorn/runtime';

import type { ApiClient } from '../api-client.js';
import { connect } from '../connect.js';
import type { ClientOptions, PageOptions } from '../client-options.js';
import { print, printJson, printPage, printResult } from '../print.js';
import { shortTime } from '../text-table.js';

const WATCH_EVERY_MS = 1_000;

export interface StartReplayOptions extends ClientOptions {
  customer: string;
  endpoint?: string;
  status?: string;
  type?: string;
  since?: string;
  until?: string;
  yes?: boolean;
}

export interface ListReplaysOptions extends PageOptions {
  customer?: string;
  state?: string;
}

export interface ShowReplayOptions extends ClientOptions {
  watch?: boolean;
}

export type ReplayChange = 'pause' | 'resume' | 'cancel';

/** Counts what matches; with --yes starts the replay and shows its progress until it ends. */
export async function startReplay(env: Environment, options: StartReplayOptions): Promise<void> {
  const { customer: customerId, endpoint: endpointId, status, type, since, until } = options;
  const filter = { customerId, endpointId, status, type, since, until };
  const api = await connect(options, env);
  const matches = await api.call<ReplayMatchesResource>('/v1/replays', {
    method: 'post',
    body: { ...filter, dryRun: true },
  });
  if (!options.yes || matches.matched === 0) {
    const hint = matches.matched === 0 ? '' : ' Add --yes to replay them.';
    printResult(matches, options, `${countOf(matches)}${hint}\n`);
    return;
  }
  const replay = await api.call<ReplayResource>('/v1/replays', { method: 'post', body: filter });
  if (options.json) {
    printJson(replay);
    return;
  }
  print(
    `${replay.id} has started. Ctrl-C does not stop it; "posthorn replays pause" or "posthorn replays cancel" does.\n`,
  );
  await watch(api, replay);
}

export async function listReplays(env: Environment, options: ListReplaysOptions): Promise<void> {
  const { customer, state, limit, cursor } = options;
  const api = await connect(options, env);
  const page = await api.call<Page<ReplayResource>>('/v1/replays', {
    query: { customerId: customer, state, limit, cursor },
  });
  const head = [
    'ID',
    'STATE',
    'CUSTOMER',
    'STATUS',
    'MATCHED',
    'DONE',
    'FAILED',
    'REMAINING',
    'CREATED (UTC)',
  ];
  printPage(page, options, head, (replay) => [
    replay.id,
    replay.state,
    replay.customerId,
    replay.status,
    ...[replay.matched, replay.done, replay.failed, replay.remaining].map(String),
    shortTime(replay.createdAt),
  ]);
}

export async function showReplay(env: Environment, id: string, options: ShowReplayOptions): Promise<void> {
  const api = await connect(options, env);
  const replay = await api.call<ReplayResource>(pathOf(id));
  if (options.watch && !options.json) await watch(api, replay);
  else printResult(replay, options, `${progressOf(replay)}\n`);
}

export async function changeReplay(
  env: Environment,
  id: string,
  change: ReplayChange,
  options: ClientOptions,
): Promise<void> {
  const api = await connect(options, env);
  const replay = await api.call<ReplayResource>(`${pathOf(id)}/${change}`, { method: 'post' });
  printResult(replay, options, `${progressOf(replay)}\n`);
}

/** A line for every change of its counts, until it no longer runs. */
async function watch(api: ApiClient, replay: ReplayResource): Promise<void> {
  let shown = '';
  for (let now = replay; ; now = await api.call<ReplayResource>(pathOf(replay.id))) {
    const line = progressOf(now);
    if (line !== shown) print(`${line}\n`);
    shown = line;
    if (now.state !== 'running') return;
    await sleep(WATCH_EVERY_MS);
  }
}

function pathOf(id: string): string {
  return `/v1/replays/${encodeURIComponent(id)}`;
}

function progressOf({ id, state, matched, done, failed, remaining }: ReplayResource): string {
  return `${id} is ${state}: ${matched} matched, ${done} delivered, ${failed} failed, ${remaining} remaining.`;
}

function countOf({ matched, more }: ReplayMatchesResource): string {
  const count = matched === 1 ? '1 delivery matches' : `${matched} deliveries match`;
  return more ? `At least ${count}, too many to count: narrow the filter.` : `${count}.`;
}
