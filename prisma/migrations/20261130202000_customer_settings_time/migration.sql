-- When a customer's own settings changed is a column of its own. `updated_at` moves with everything that processes have to
-- hear of, also an endpoint or a secret that is made; the change feed reads that one, and the API showed it. A trigger
-- keeps the new one, whoever writes, so running processes of the version before go on, and a PUT that changes nothing
-- leaves it.

ALTER TABLE customer ADD COLUMN settings_updated_at timestamptz(3) NOT NULL DEFAULT now();
-- Nothing that anybody has to hear of.
ALTER TABLE customer DISABLE TRIGGER customer_change;
UPDATE customer SET settings_updated_at = updated_at;
ALTER TABLE customer ENABLE TRIGGER customer_change;

CREATE FUNCTION note_customer_settings() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF (NEW.name, NEW.metadata, NEW.notification_url, NEW.max_in_flight, NEW.rate_limit_max, NEW.rate_limit_per_seconds, NEW.max_endpoints)
     IS DISTINCT FROM
     (OLD.name, OLD.metadata, OLD.notification_url, OLD.max_in_flight, OLD.rate_limit_max, OLD.rate_limit_per_seconds, OLD.max_endpoints)
  THEN
    NEW.settings_updated_at := now();
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER customer_settings
  BEFORE UPDATE OF name, metadata, notification_url, max_in_flight, rate_limit_max, rate_limit_per_seconds, max_endpoints
  ON customer FOR EACH ROW EXECUTE FUNCTION note_customer_settings();
