import type pg from 'pg';

export type StatisticSpan = 'minute' | 'hour' | 'day';

export interface StatisticsQuery {
  customerId?: string;
  /** Give the customer along, so that the index serves. */
  endpointId?: string;
  span: StatisticSpan;
  /** Inclusive, exclusive. */
  sinceMs: number;
  untilMs: number;
}

/** One minute, hour or day (UTC) in which something was counted. */
export interface Statistics {
  startsAtMs: number;
  /** Attempts that were and were not delivered, by when they started. */
  successes: number;
  failures: number;
  /** How many attempts took how long: counts by bucket of the latency histogram. */
  latencies: Map<number, number>;
  /** Deliveries by when they ended. */
  deadLettered: number;
  cancelled: number;
}

export interface StatisticsStore {
  /**
   * Oldest first; nothing for a span in which nothing was counted. Without a customer no index serves, and the days asked
   * for are read as a whole: 0.3 s for one of 900,000 rows. So few of these may run at a time.
   */
  read(query: StatisticsQuery): Promise<Statistics[]>;
  /** Until when what was recorded is counted. */
  countedUntil(): Promise<Date>;
}

interface Row {
  startsAt: Date;
  measure: 'success' | 'failure' | 'dead_lettered' | 'cancelled';
  latency: number;
  count: string;
}

export function createStatisticsStore({ pool }: { pool: pg.Pool }): StatisticsStore {
  return {
    async read({ customerId, endpointId, span, sinceMs, untilMs }) {
      const { rows } = await pool.query<Row>(
        `SELECT starts_at AS "startsAt", measure, latency, sum(count) AS count
           FROM statistic
          WHERE span = $1 AND starts_at >= $2 AND starts_at < $3
            AND ($4::text IS NULL OR customer_id = $4) AND ($5::uuid IS NULL OR endpoint_id = $5)
          GROUP BY starts_at, measure, latency ORDER BY starts_at`,
        [span, new Date(sinceMs), new Date(untilMs), customerId ?? null, endpointId ?? null],
      );
      const found = new Map<number, Statistics>();
      for (const row of rows) add(found, row);
      return [...found.values()];
    },

    async countedUntil() {
      const { rows } = await pool.query<{ readAt: Date }>('SELECT read_at AS "readAt" FROM attempt_reader');
      const [row] = rows;
      if (!row) throw new Error('The reader of attempts lost its place');
      return row.readAt;
    },
  };
}

function add(found: Map<number, Statistics>, { startsAt, measure, latency, count }: Row): void {
  const startsAtMs = startsAt.getTime();
  const statistics = found.get(startsAtMs) ?? {
    startsAtMs,
    successes: 0,
    failures: 0,
    latencies: new Map<number, number>(),
    deadLettered: 0,
    cancelled: 0,
  };
  found.set(startsAtMs, statistics);
  const n = Number(count);
  switch (measure) {
    case 'success':
    case 'failure':
      statistics[measure === 'success' ? 'successes' : 'failures'] += n;
      statistics.latencies.set(latency, (statistics.latencies.get(latency) ?? 0) + n);
      break;
    case 'dead_lettered':
      statistics.deadLettered += n;
      break;
    case 'cancelled':
      statistics.cancelled += n;
  }
}
