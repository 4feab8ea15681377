import type { Logger } from '@posthorn/runtime';
import pg from 'pg';

const CHANNEL = 'posthorn_changes';
const RECONNECT_MS = 1_000;
const POLL_MS = 5_000;
const ANSWER_MS = 4_000;
/** The poll looks back further than its period, so that a transaction that committed late is still seen. */
const POLL_OVERLAP_SECONDS = 60;

export type ChangeKind = 'customer' | 'endpoint' | 'api_key' | 'event_type';

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

  const connect = async (): Promise<void> => {
    const next = new pg.Client({
      connectionString: options.databaseUrl,
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
      poll(current, options).then(
        () => schedulePoll(current),
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

async function poll(client: pg.Client, { onChange }: ChangeFeedOptions): Promise<void> {
  const { rows } = await client.query<{ kind: ChangeKind; id: string }>(`
    SELECT 'customer' AS kind, id FROM customer WHERE updated_at > now() - interval '${POLL_OVERLAP_SECONDS} seconds'
    UNION ALL SELECT 'endpoint', id::text FROM endpoint WHERE updated_at > now() - interval '${POLL_OVERLAP_SECONDS} seconds'
    UNION ALL SELECT 'api_key', id::text FROM api_key WHERE updated_at > now() - interval '${POLL_OVERLAP_SECONDS} seconds'
    UNION ALL SELECT 'event_type', id FROM event_type WHERE updated_at > now() - interval '${POLL_OVERLAP_SECONDS} seconds'`);
  for (const { kind, id } of rows) onChange(kind, id);
}
