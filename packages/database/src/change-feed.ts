import type { Logger } from '@posthorn/runtime';
import pg from 'pg';

import { applySettings, commonSettings } from './connection-settings.js';
import { databaseTarget } from './database-target.js';

const CHANNEL = 'posthorn_changes';
const RECONNECT_MS = 1_000;
const POLL_MS = 5_000;
const ANSWER_MS = 4_000;
/** The poll looks back further than its period, so that a transaction that committed late is still seen. */
const POLL_OVERLAP_SECONDS = 60;

const polledTables = ['customer', 'endpoint', 'api_key', 'event_type'] as const;

export type ChangeKind = (typeof polledTables)[number];

export interface ChangeFeedOptions {
  databaseUrl: string;
  logger: Logger;
  /** Settings of this row changed: drop what is cached of it. May be called again for the same change. */
  onChange(kind: ChangeKind, id: string): void;
  /** Announcements may have been missed: drop everything cached. */
  onGap(): void;
}

export interface ChangeFeed {
  close(): Promise<void>;
}

/**
 * Tells caches what changed: at once by LISTEN (a trigger announces every change at commit), and within 10 s by a poll
 * of recently updated rows should an announcement be lost. A lost connection counts as a gap.
 */
export function openChangeFeed(options: ChangeFeedOptions): ChangeFeed {
  let client: pg.Client | undefined;
  let timer: NodeJS.Timeout | undefined;
  let closed = false;
  /** What the last poll found, by its version: a row stays in the overlap for a dozen polls. */
  let told: ReadonlyMap<string, string> = new Map();

  const { connectionString, schema } = databaseTarget(options.databaseUrl);

  const connect = async (): Promise<void> => {
    const next = new pg.Client({
      connectionString,
      application_name: 'posthorn-changes',
      keepAlive: true,
      connectionTimeoutMillis: ANSWER_MS,
      query_timeout: ANSWER_MS,
    });
    client = next;
    next.on('error', () => reconnect(next));
    next.on('end', () => reconnect(next));
    next.on('notification', ({ payload }) => {
      const separator = payload?.indexOf(':') ?? -1;
      if (payload && separator > 0)
        options.onChange(payload.slice(0, separator) as ChangeKind, payload.slice(separator + 1));
    });
    try {
      await next.connect();
      await applySettings(next, commonSettings(schema));
      await next.query(`LISTEN ${CHANNEL}`);
      options.onGap();
      schedulePoll(next);
    } catch (error) {
      options.logger.debug('database.change_feed_down', { error });
      reconnect(next);
    }
  };

  const reconnect = (lost: pg.Client): void => {
    if (closed || client !== lost) return;
    client = undefined;
    clearTimeout(timer);
    lost.end().catch(() => undefined);
    options.onGap();
    timer = setTimeout(() => void connect(), RECONNECT_MS);
  };

  const schedulePoll = (current: pg.Client): void => {
    timer = setTimeout(() => {
      poll(current, options, told).then(
        (found) => {
          told = found;
          schedulePoll(current);
        },
        () => reconnect(current),
      );
    }, POLL_MS);
  };

  void connect();
  return {
    async close() {
      closed = true;
      clearTimeout(timer);
      await client?.end().catch(() => undefined);
    },
  };
}

/** Tells the rows that are not as they were when they were last told; gives all that were updated of late. */
async function poll(
  client: pg.Client,
  { onChange }: ChangeFeedOptions,
  told: ReadonlyMap<string, string>,
): Promise<Map<string, string>> {
  const { rows } = await client.query<{ kind: ChangeKind; id: string; version: string }>(
    polledTables
      .map(
        (table) => `SELECT '${table}' AS kind, id::text, xmin::text AS version FROM ${table}
          WHERE updated_at > now() - interval '${POLL_OVERLAP_SECONDS} seconds'`,
      )
      .join(' UNION ALL '),
  );
  const found = new Map<string, string>();
  for (const { kind, id, version } of rows) {
    const row = `${kind}:${id}`;
    found.set(row, version);
    if (told.get(row) !== version) onChange(kind, id);
  }
  return found;
}
