-- Statistics: counts per minute, hour and day that a reader in the workers makes of new attempts, and what it needs to
-- read each of them exactly once. Attempts from before this are not counted. Building the index on `attempt` keeps
-- settling waiting meanwhile; apart from that, running processes of the version before go on.

-- The transaction that recorded the attempt, and so an order in which nothing is committed behind a reader that knows
-- which transactions were still open: see docs/adr/0014-reading-attempts.md. Added in two steps, which rewrites nothing.
ALTER TABLE attempt ADD COLUMN settled_in xid8;
ALTER TABLE attempt ALTER COLUMN settled_in SET DEFAULT pg_current_xact_id();
CREATE INDEX attempt_settled ON attempt (settled_in);

CREATE TABLE attempt_reader (
  -- There is one row.
  id         boolean PRIMARY KEY DEFAULT true CHECK (id),
  -- Everything recorded by transactions before this has been read, but for what these left open then.
  next_xid   xid8 NOT NULL,
  open_xids  xid8[] NOT NULL,
  -- Attempts that started before this are not read: the numbers of transactions began anew (a restored database).
  since      timestamptz(3) NOT NULL,
  read_at    timestamptz(3) NOT NULL,
  -- More was there than one pass reads.
  behind     boolean NOT NULL
);
INSERT INTO attempt_reader (next_xid, open_xids, since, read_at, behind) VALUES ('0', '{}', '-infinity', now(), false);

-- Deliveries that ended otherwise than by being delivered, written by the statement that ends them, gathered per endpoint,
-- and removed by the reader.
CREATE TABLE delivery_end (
  id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  customer_id   text NOT NULL,
  endpoint_id   uuid NOT NULL,
  status        text NOT NULL CHECK (status IN ('dead_lettered', 'cancelled')),
  reason        text NOT NULL,
  deliveries    integer NOT NULL CHECK (deliveries > 0),
  -- Some of them.
  delivery_ids  uuid[] NOT NULL,
  -- All of them in the same minute; the last one's time.
  ended_at      timestamptz(3) NOT NULL
);
CREATE INDEX delivery_end_customer ON delivery_end (customer_id);

-- Partitioned by day like the history it counts, and dropped with it.
CREATE TABLE statistic (
  span         text NOT NULL CHECK (span IN ('minute', 'hour', 'day')),
  customer_id  text NOT NULL,
  endpoint_id  uuid NOT NULL,
  -- Of the minute, hour or day, in UTC.
  starts_at    timestamptz(3) NOT NULL,
  -- Attempts that were or were not delivered, by how long they took; deliveries by how they ended.
  measure      text NOT NULL CHECK (measure IN ('success', 'failure', 'dead_lettered', 'cancelled')),
  -- The number of the histogram's bucket; 0 for ends.
  latency      smallint NOT NULL CHECK (latency >= 0),
  count        integer NOT NULL CHECK (count > 0),
  PRIMARY KEY (span, customer_id, endpoint_id, starts_at, measure, latency)
) PARTITION BY RANGE (starts_at);
