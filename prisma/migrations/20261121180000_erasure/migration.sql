-- Erasures that were cut short are gone on with, and count what they remove over all their runs. A customer made again under
-- the id of one that was erased shares no version of its endpoints with it. New objects, and another default: running
-- processes of the version before go on; what they erase meanwhile is not counted before it is gone on with.

CREATE TABLE erasure (
  customer_id  text PRIMARY KEY REFERENCES customer (id),
  -- Tells it from the erasure of another customer under the same id.
  id           bigint GENERATED ALWAYS AS IDENTITY,
  -- How many of each kind so far.
  removed      jsonb NOT NULL DEFAULT '{}'
);
INSERT INTO erasure (customer_id) SELECT id FROM customer WHERE erased_at IS NOT NULL;

-- Counted from 0 for each customer, a version that a process had cached of the erased one could be that of the new one.
CREATE SEQUENCE endpoints_version AS integer;
-- Further than what changes while this runs.
SELECT setval('endpoints_version', COALESCE(max(endpoints_version), 0) + 10000) FROM customer;
ALTER TABLE customer ALTER COLUMN endpoints_version SET DEFAULT nextval('endpoints_version');
CREATE OR REPLACE FUNCTION bump_endpoints_version() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  UPDATE customer SET endpoints_version = nextval('endpoints_version'), updated_at = now() WHERE id = NEW.customer_id;
  RETURN NULL;
END $$;
