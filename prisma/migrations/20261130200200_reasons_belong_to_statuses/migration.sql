-- A reason says why a delivery is held or ended undelivered. One that had been delivered before its replay ended as
-- delivered with the reason of that end (`cancelled_by_request`, `expired`), which reads like a contradiction; nor does a
-- pending one have a reason. The rule stands in the check from now on. Only its function is replaced: no row is read and no
-- table is locked. The rows of before are cleaned by the next migration, when no more of them can come.
--
-- Processes of the version before go on, but for what this is about. A worker whose attempt ends the replay of a delivered
-- one without success is refused by the check: it settles the others, keeps this one with its place until it stops, and the
-- worker of after sends it once more and ends it. A page of cancellations, of a resume that cancels, or of what has expired
-- is refused whole while such a delivery is in it, until a process of after does it. So update all processes soon, and do
-- not go back to the version before; it was never released.

CREATE OR REPLACE FUNCTION delivery_is_sound(
  id uuid,
  event_id uuid,
  endpoint_id uuid,
  status text,
  generation integer,
  attempts integer,
  attempts_before integer,
  replayed_after integer,
  next_attempt_at timestamptz,
  waiting_for text,
  reason text,
  finished_at timestamptz
) RETURNS boolean
  LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
BEGIN
  RETURN generation > 0
    AND attempts >= 0
    AND attempts_before BETWEEN 0 AND attempts
    AND (replayed_after IS NULL OR replayed_after BETWEEN 0 AND attempts)
    AND CASE status
      WHEN 'pending' THEN
        next_attempt_at IS NOT NULL AND finished_at IS NULL AND reason IS NULL
        AND (waiting_for IS NULL OR waiting_for IN ('retry', 'breaker', 'rate_limit', 'concurrency'))
      WHEN 'held' THEN
        next_attempt_at IS NULL AND finished_at IS NULL AND waiting_for IS NULL AND reason IS NOT NULL
      WHEN 'delivered' THEN
        next_attempt_at IS NULL AND finished_at IS NOT NULL AND waiting_for IS NULL AND reason IS NULL
      WHEN 'dead_lettered' THEN
        next_attempt_at IS NULL AND finished_at IS NOT NULL AND waiting_for IS NULL AND reason IS NOT NULL
      WHEN 'cancelled' THEN
        next_attempt_at IS NULL AND finished_at IS NOT NULL AND waiting_for IS NULL AND reason IS NOT NULL
      ELSE false
    END
    -- The rule of `delivery_id`, by its time and by 56 of the 74 bits of its hash: the whole hashes three times over.
    AND substring(uuid_send(id) FROM 1 FOR 6) = substring(uuid_send(event_id) FROM 1 FOR 6)
    AND substring(uuid_send(id) FROM 10 FOR 7)
      = substring(sha256(uuid_send(event_id) || uuid_send(endpoint_id)) FROM 4 FOR 7);
END $$;
