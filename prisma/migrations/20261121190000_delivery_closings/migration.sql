-- What ends deliveries without an attempt (cancelled, expired) notes them here, for the streams that tell of what happens.
-- Running processes of the version before go on; what they end so is not told.

CREATE TABLE delivery_closing (
  id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  customer_id   text NOT NULL,
  -- All that one statement ended.
  delivery_ids  uuid[] NOT NULL,
  -- In which order they are read: see docs/adr/0014-reading-attempts.md.
  recorded_in   xid8 NOT NULL DEFAULT pg_current_xact_id(),
  recorded_at   timestamptz(3) NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX delivery_closing_recorded ON delivery_closing (recorded_in);
CREATE INDEX delivery_closing_customer ON delivery_closing (customer_id);
