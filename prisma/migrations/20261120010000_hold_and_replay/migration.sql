-- What pausing, resuming and replaying need. Only adds columns that may be null or have a constant default, and one small
-- partial index, so running processes of the version before go on.

ALTER TABLE delivery
  -- When it was delivered first, kept by a replay: however that ends, the delivery ends as delivered.
  ADD COLUMN delivered_at timestamptz(3),
  -- `attempts` when someone last asked for a replay: the next attempt carries the trigger `replay`.
  ADD COLUMN replayed_after integer CHECK (replayed_after BETWEEN 0 AND attempts);

-- Deliveries that a replay added to those of the fan-out. Apart from `delivery_count`, which is the answer to a repeat.
ALTER TABLE event ADD COLUMN added_deliveries integer NOT NULL DEFAULT 0 CHECK (added_deliveries >= 0);

-- Set by a resume that cancels: what is held of events from before this ends instead of being released.
ALTER TABLE endpoint ADD COLUMN held_cancel_before timestamptz(3);

-- Which endpoints hold something, and what: for the pass that finds what a resume or a limit has left.
CREATE INDEX delivery_held ON delivery (endpoint_id, id) WHERE status = 'held';
