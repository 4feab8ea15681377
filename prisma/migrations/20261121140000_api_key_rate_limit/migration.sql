-- How many requests a key may send, where it is not the default. Running processes of the version before go on with
-- the default.

ALTER TABLE api_key
  ADD COLUMN rate_limit_max integer CHECK (rate_limit_max > 0),
  ADD COLUMN rate_limit_per_seconds integer CHECK (rate_limit_per_seconds > 0),
  ADD CHECK ((rate_limit_max IS NULL) = (rate_limit_per_seconds IS NULL));

DROP TRIGGER api_key_change ON api_key;
CREATE TRIGGER api_key_change
  AFTER INSERT OR UPDATE OF scopes, customer_id, revoked_at, rate_limit_max, rate_limit_per_seconds ON api_key
  FOR EACH ROW EXECUTE FUNCTION announce_change('api_key');
