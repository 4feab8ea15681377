-- The whole schema of the first version. Runs on an empty database only.
-- event, delivery and attempt are partitioned by id: a UUIDv7 begins with its time, so a daily range of ids is a day.
-- Partitions are made ahead by the service; there is no default partition and no foreign key between partitioned
-- tables, because both make detaching a partition take locks that stop accepting.

CREATE TABLE customer (
  id                      text PRIMARY KEY CHECK (id ~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$'),
  name                    text,
  metadata                jsonb,
  notification_url        text,
  max_in_flight           integer CHECK (max_in_flight > 0),
  rate_limit_max          integer CHECK (rate_limit_max > 0),
  rate_limit_per_seconds  integer CHECK (rate_limit_per_seconds > 0),
  max_endpoints           integer CHECK (max_endpoints >= 0),
  endpoints_version       integer NOT NULL DEFAULT 0,
  created_at              timestamptz(3) NOT NULL DEFAULT now(),
  updated_at              timestamptz(3) NOT NULL DEFAULT now(),
  erased_at               timestamptz(3),
  CHECK ((rate_limit_max IS NULL) = (rate_limit_per_seconds IS NULL))
);

CREATE TABLE endpoint (
  id                      uuid PRIMARY KEY,
  customer_id             text NOT NULL REFERENCES customer (id),
  url                     text NOT NULL,
  event_types             text[] NOT NULL CHECK (cardinality(event_types) > 0),
  description             text,
  headers_sealed          bytea,
  signing_scheme          text NOT NULL DEFAULT 'standard' CHECK (signing_scheme IN ('standard')),
  retry_policy            jsonb,
  max_in_flight           integer CHECK (max_in_flight > 0),
  rate_limit_max          integer CHECK (rate_limit_max > 0),
  rate_limit_per_seconds  integer CHECK (rate_limit_per_seconds > 0),
  status                  text NOT NULL DEFAULT 'enabled' CHECK (status IN ('enabled', 'paused', 'disabled')),
  disabled_reason         text,
  created_at              timestamptz(3) NOT NULL DEFAULT now(),
  updated_at              timestamptz(3) NOT NULL DEFAULT now(),
  deleted_at              timestamptz(3),
  CHECK ((status = 'disabled') = (disabled_reason IS NOT NULL)),
  CHECK ((rate_limit_max IS NULL) = (rate_limit_per_seconds IS NULL))
);
CREATE INDEX endpoint_customer ON endpoint (customer_id, id) WHERE deleted_at IS NULL;

CREATE TABLE endpoint_secret (
  id           uuid PRIMARY KEY,
  endpoint_id  uuid NOT NULL REFERENCES endpoint (id),
  sealed       bytea NOT NULL,
  created_at   timestamptz(3) NOT NULL DEFAULT now(),
  expires_at   timestamptz(3)
);
CREATE INDEX endpoint_secret_endpoint ON endpoint_secret (endpoint_id);
CREATE UNIQUE INDEX endpoint_secret_current ON endpoint_secret (endpoint_id) WHERE expires_at IS NULL;

CREATE TABLE api_key (
  id            uuid PRIMARY KEY,
  name          text,
  hash          bytea NOT NULL UNIQUE CHECK (octet_length(hash) = 32),
  hint          text NOT NULL,
  scopes        text[] NOT NULL CHECK (cardinality(scopes) > 0 AND scopes <@ ARRAY['events:write', 'read', 'admin']),
  customer_id   text REFERENCES customer (id),
  created_at    timestamptz(3) NOT NULL DEFAULT now(),
  updated_at    timestamptz(3) NOT NULL DEFAULT now(),
  last_used_at  timestamptz(3),
  revoked_at    timestamptz(3)
);

-- One delivery per (event, endpoint), enforced by the primary key across partitions: the id is a function of the pair
-- (the event's 48 bits of time, then 74 bits of a hash of both ids) and a CHECK repeats it.
CREATE FUNCTION delivery_id(event_id uuid, endpoint_id uuid) RETURNS uuid
  LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
  RETURN encode(
    substring(uuid_send(event_id) FROM 1 FOR 6)
      || set_byte(
           set_byte(
             substring(sha256(uuid_send(event_id) || uuid_send(endpoint_id)) FROM 1 FOR 10),
             0,
             (get_byte(sha256(uuid_send(event_id) || uuid_send(endpoint_id)), 0) & 15) | 112
           ),
           2,
           (get_byte(sha256(uuid_send(event_id) || uuid_send(endpoint_id)), 2) & 63) | 128
         ),
    'hex'
  )::uuid;

CREATE TABLE event (
  id              uuid NOT NULL,
  customer_id     text NOT NULL,
  type            text NOT NULL,
  external_id     text,
  occurred_at     timestamptz(3) NOT NULL,
  accepted_at     timestamptz(3) NOT NULL,
  body            text NOT NULL,
  delivery_count  integer NOT NULL CHECK (delivery_count >= 0),
  PRIMARY KEY (id)
) PARTITION BY RANGE (id);
CREATE INDEX event_customer_time ON event (customer_id, id);

CREATE TABLE delivery (
  id                  uuid NOT NULL,
  event_id            uuid NOT NULL,
  endpoint_id         uuid NOT NULL,
  customer_id         text NOT NULL,
  type                text NOT NULL,
  status              text NOT NULL CHECK (status IN ('pending', 'held', 'delivered', 'dead_lettered', 'cancelled')),
  generation          integer NOT NULL DEFAULT 1 CHECK (generation > 0),
  attempts            integer NOT NULL DEFAULT 0 CHECK (attempts >= 0),
  attempts_before     integer NOT NULL DEFAULT 0 CHECK (attempts_before BETWEEN 0 AND attempts),
  next_attempt_at     timestamptz(3),
  waiting_for         text CHECK (waiting_for IN ('retry', 'breaker', 'rate_limit', 'concurrency')),
  reason              text,
  expires_at          timestamptz(3) NOT NULL,
  last_attempt_at     timestamptz(3),
  last_response_code  integer,
  last_error          text,
  created_at          timestamptz(3) NOT NULL,
  finished_at         timestamptz(3),
  PRIMARY KEY (id),
  CHECK (id = delivery_id(event_id, endpoint_id)),
  CHECK ((status = 'pending') = (next_attempt_at IS NOT NULL)),
  CHECK (status = 'pending' OR waiting_for IS NULL),
  CHECK ((status IN ('delivered', 'dead_lettered', 'cancelled')) = (finished_at IS NOT NULL)),
  CHECK (status NOT IN ('dead_lettered', 'cancelled', 'held') OR reason IS NOT NULL)
) PARTITION BY RANGE (id);
CREATE INDEX delivery_due ON delivery (next_attempt_at, id) WHERE status = 'pending';
CREATE INDEX delivery_customer_time ON delivery (customer_id, id);
CREATE INDEX delivery_held_expiry ON delivery (expires_at) WHERE status = 'held';
CREATE INDEX delivery_endpoint_unsettled ON delivery (endpoint_id, status, id) WHERE status <> 'delivered';

CREATE TABLE attempt (
  delivery_id         uuid NOT NULL,
  number              integer NOT NULL CHECK (number > 0),
  trigger             text NOT NULL CHECK (trigger IN ('automatic', 'replay', 'test')),
  status              text NOT NULL CHECK (status IN ('delivered', 'failed', 'timeout', 'refused', 'overlapped')),
  response_code       integer,
  latency_ms          integer NOT NULL CHECK (latency_ms >= 0),
  error_code          text,
  error_message       text,
  request_headers     json NOT NULL,
  response_headers    json,
  response_body       bytea,
  response_truncated  boolean NOT NULL DEFAULT false,
  address             text,
  started_at          timestamptz(3) NOT NULL,
  next_attempt_at     timestamptz(3),
  next_because        text CHECK (next_because IN ('policy', 'retry_after')),
  PRIMARY KEY (delivery_id, number)
) PARTITION BY RANGE (delivery_id);

-- Idempotency keys live in daily partitions of their own and expire by being dropped. Within a day the primary key
-- makes a concurrent duplicate wait for the first; over midnight see packages/database/src/hot/insert-events.ts.
CREATE TABLE idempotency_key (
  day           date NOT NULL,
  customer_id   text NOT NULL,
  key_hash      bytea NOT NULL,
  request_hash  bytea NOT NULL,
  event_id      uuid NOT NULL,
  created_at    timestamptz(3) NOT NULL,
  PRIMARY KEY (customer_id, key_hash, day)
) PARTITION BY RANGE (day);

-- Every change of settings is announced to all processes in the transaction that makes it, whoever makes it.
CREATE FUNCTION announce_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_notify('posthorn_changes', TG_ARGV[0] || ':' || NEW.id);
  RETURN NULL;
END $$;
CREATE TRIGGER customer_change AFTER INSERT OR UPDATE ON customer FOR EACH ROW EXECUTE FUNCTION announce_change('customer');
CREATE TRIGGER endpoint_change AFTER INSERT OR UPDATE ON endpoint FOR EACH ROW EXECUTE FUNCTION announce_change('endpoint');
CREATE TRIGGER api_key_change AFTER INSERT OR UPDATE OF scopes, customer_id, revoked_at ON api_key
  FOR EACH ROW EXECUTE FUNCTION announce_change('api_key');

-- An endpoint made before an event never misses it: the version moves in the same transaction as the endpoint, and the
-- accept statement refuses to insert against an older one.
CREATE FUNCTION bump_endpoints_version() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  UPDATE customer SET endpoints_version = endpoints_version + 1, updated_at = now() WHERE id = NEW.customer_id;
  RETURN NULL;
END $$;
CREATE TRIGGER endpoint_version AFTER INSERT OR UPDATE OF event_types, status, deleted_at, retry_policy ON endpoint
  FOR EACH ROW EXECUTE FUNCTION bump_endpoints_version();

CREATE FUNCTION touch_endpoint() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  UPDATE endpoint SET updated_at = now() WHERE id = COALESCE(NEW.endpoint_id, OLD.endpoint_id);
  RETURN NULL;
END $$;
CREATE TRIGGER endpoint_secret_change AFTER INSERT OR UPDATE OR DELETE ON endpoint_secret
  FOR EACH ROW EXECUTE FUNCTION touch_endpoint();

CREATE INDEX customer_time ON customer (created_at, id) WHERE erased_at IS NULL;
CREATE INDEX customer_updated ON customer (updated_at);
CREATE INDEX endpoint_updated ON endpoint (updated_at);
CREATE INDEX api_key_updated ON api_key (updated_at);
