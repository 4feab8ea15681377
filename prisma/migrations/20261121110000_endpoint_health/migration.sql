-- What is known of an endpoint beyond its settings: its circuit breaker, the pause it asked for, its health score. A column
-- with a constant default and a new table that nothing else reads: running processes of the version before go on.

-- Grows when the endpoint becomes another one (a changed URL, paused, disabled, enabled, deleted): health kept under an
-- earlier number says nothing about it any more.
ALTER TABLE endpoint ADD COLUMN health_epoch integer NOT NULL DEFAULT 0;

CREATE FUNCTION renew_endpoint_health() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  NEW.health_epoch := OLD.health_epoch + 1;
  RETURN NEW;
END $$;
CREATE TRIGGER endpoint_health_renewal BEFORE UPDATE OF url, status, deleted_at ON endpoint FOR EACH ROW
  WHEN ((OLD.url, OLD.status, OLD.deleted_at) IS DISTINCT FROM (NEW.url, NEW.status, NEW.deleted_at))
  EXECUTE FUNCTION renew_endpoint_health();

CREATE TABLE endpoint_health (
  endpoint_id  uuid PRIMARY KEY REFERENCES endpoint (id) ON DELETE CASCADE,
  epoch        integer NOT NULL,
  -- Null while the breaker is closed. Past it the breaker is half-open.
  open_until   timestamptz(3),
  openings     integer NOT NULL CHECK (openings >= 0),
  -- The endpoint asked to be left alone until then.
  shut_until   timestamptz(3),
  -- It has recovered, and what waits for a retry time is being brought forward.
  draining     boolean NOT NULL,
  score        real NOT NULL CHECK (score BETWEEN 0 AND 100),
  updated_at   timestamptz(3) NOT NULL
) WITH (fillfactor = 70);
CREATE INDEX endpoint_health_draining ON endpoint_health (updated_at) WHERE draining;
