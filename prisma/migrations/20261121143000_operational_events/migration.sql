-- Operational events: what Posthorn tells the operator, and the owner of an endpoint, about its own work. New tables, and a
-- customer that is reserved for them. Running processes of the version before go on, without telling anything. A customer
-- whose notificationUrl was set before this gets an endpoint for it when it is put again.

INSERT INTO customer (id, name) VALUES ('posthorn', 'Posthorn') ON CONFLICT DO NOTHING;

-- Something to be told, written in the transaction of what happened and removed when it has become an event.
CREATE TABLE notice (
  id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  type         text NOT NULL,
  -- Whom it is about.
  customer_id  text NOT NULL,
  -- The event's data, ids as uuids.
  facts        jsonb NOT NULL,
  noted_at     timestamptz(3) NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX notice_customer ON notice (customer_id);

-- Dead letters of an endpoint, gathered so that one notice tells of many. The row goes when there was none for a while.
CREATE TABLE exhaustion (
  endpoint_id   uuid NOT NULL,
  reason        text NOT NULL,
  customer_id   text NOT NULL,
  -- Not told yet, some of them, and when the last one ended.
  deliveries    integer NOT NULL CHECK (deliveries >= 0),
  delivery_ids  uuid[] NOT NULL,
  last_at       timestamptz(3) NOT NULL,
  told_at       timestamptz(3),
  PRIMARY KEY (endpoint_id, reason)
);
CREATE INDEX exhaustion_customer ON exhaustion (customer_id);

-- One endpoint for a customer's notificationUrl.
CREATE UNIQUE INDEX endpoint_notification ON endpoint (customer_id) WHERE kind = 'notification' AND deleted_at IS NULL;

-- Operational events are fanned out to it, so it makes routes stale as well; what one-shots go over does not.
DROP TRIGGER endpoint_version ON endpoint;
CREATE TRIGGER endpoint_version AFTER INSERT OR UPDATE OF event_types, status, deleted_at, retry_policy ON endpoint
  FOR EACH ROW WHEN (NEW.kind <> 'one_shot') EXECUTE FUNCTION bump_endpoints_version();
