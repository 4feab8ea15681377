-- One-shot deliveries: a payload sent to a URL that no endpoint was registered for. Columns with constant defaults, new
-- tables and a narrower trigger: running processes of the version before go on. They cannot send one-shots (they would post
-- to the bare origin), so begin to use them when all workers are of this version.

-- An endpoint of the kind `one_shot` is the lane that a customer's one-shots to an origin (its url) go over. A shared one
-- serves further origins as well, because the customer has as many lanes as it may have.
ALTER TABLE endpoint
  ADD COLUMN shared boolean NOT NULL DEFAULT false,
  ADD CONSTRAINT endpoint_shared_lane CHECK (kind = 'one_shot' OR NOT shared);
CREATE UNIQUE INDEX endpoint_one_shot_origin ON endpoint (customer_id, url) WHERE kind = 'one_shot';

-- Events are fanned out to registered endpoints only, so what happens to others makes nobody's routes stale.
DROP TRIGGER endpoint_version ON endpoint;
CREATE TRIGGER endpoint_version AFTER INSERT OR UPDATE OF event_types, status, deleted_at, retry_policy ON endpoint
  FOR EACH ROW WHEN (NEW.kind = 'registered') EXECUTE FUNCTION bump_endpoints_version();

-- Where the delivery of an event goes, beside the event: read for one-shots only, so that events cost what they did.
CREATE TABLE one_shot (
  -- Its event's.
  id              uuid NOT NULL,
  delivery_id     uuid NOT NULL,
  url             text NOT NULL,
  headers_sealed  bytea,
  retry_policy    jsonb,
  -- How long an opening may last under that policy.
  open_for_ms     bigint NOT NULL CHECK (open_for_ms > 0),
  PRIMARY KEY (id)
) PARTITION BY RANGE (id);

-- What signs a customer's one-shots, as endpoint_secret does for an endpoint.
CREATE TABLE one_shot_secret (
  id           uuid PRIMARY KEY,
  customer_id  text NOT NULL REFERENCES customer (id),
  sealed       bytea NOT NULL,
  created_at   timestamptz(3) NOT NULL DEFAULT now(),
  expires_at   timestamptz(3)
);
CREATE INDEX one_shot_secret_customer ON one_shot_secret (customer_id);
CREATE UNIQUE INDEX one_shot_secret_current ON one_shot_secret (customer_id) WHERE expires_at IS NULL;

-- Processes keep the secrets with the lanes, and drop a customer's lanes when the customer changes.
CREATE FUNCTION touch_customer() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  UPDATE customer SET updated_at = now() WHERE id = COALESCE(NEW.customer_id, OLD.customer_id);
  RETURN NULL;
END $$;
CREATE TRIGGER one_shot_secret_change AFTER INSERT OR DELETE OR UPDATE OF expires_at ON one_shot_secret
  FOR EACH ROW EXECUTE FUNCTION touch_customer();
