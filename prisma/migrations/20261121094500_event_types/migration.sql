-- The catalogue of event types. A type need not be in it; where one has a schema, its events are checked.
-- A new table and its triggers: running processes of the version before go on without checking.

CREATE TABLE event_type (
  id           text PRIMARY KEY CHECK (length(id) <= 128),
  description  text,
  -- As given, members in their order.
  schema       json,
  example      json,
  created_at   timestamptz(3) NOT NULL DEFAULT now(),
  updated_at   timestamptz(3) NOT NULL DEFAULT now()
);
CREATE INDEX event_type_time ON event_type (created_at, id);
CREATE INDEX event_type_updated ON event_type (updated_at);
CREATE TRIGGER event_type_change AFTER INSERT OR UPDATE ON event_type
  FOR EACH ROW EXECUTE FUNCTION announce_change('event_type');
