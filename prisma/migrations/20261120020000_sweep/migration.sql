-- How far the sweep has walked, per shard, so that another process or a restart goes on where the last one stopped.
-- A new table that nothing else reads: running workers survive it.

CREATE TABLE sweep (
  -- The shard's key prefix in Redis.
  shard              text PRIMARY KEY,
  -- What the sweep last left in Redis; when Redis holds something else it has lost jobs.
  marker             text NOT NULL,
  -- Each walk has seen every pending delivery up to (next_attempt_at, id).
  first_due          timestamptz(3) NOT NULL,
  first_id           uuid NOT NULL,
  second_due         timestamptz(3) NOT NULL,
  second_id          uuid NOT NULL,
  slow_due           timestamptz(3) NOT NULL,
  slow_id            uuid NOT NULL,
  -- The slow pass: when it began, whether it has reached the end, rows read by it and by the one before.
  slow_began_at      timestamptz(3) NOT NULL,
  slow_ended         boolean NOT NULL,
  slow_read          integer NOT NULL CHECK (slow_read >= 0),
  slow_read_before   integer NOT NULL CHECK (slow_read_before >= 0)
);
