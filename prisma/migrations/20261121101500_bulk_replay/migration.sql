-- Bulk replays, and the answers that repeats of a POST with an Idempotency-Key get. New tables only: running processes of
-- the version before go on.

CREATE TABLE replay (
  id           uuid PRIMARY KEY,
  customer_id  text NOT NULL REFERENCES customer (id),
  -- What it replays: finished deliveries of the customer in this status, narrowed by what is set.
  status       text NOT NULL CHECK (status IN ('delivered', 'dead_lettered', 'cancelled')),
  endpoint_id  uuid,
  type         text,
  since        timestamptz(3),
  until        timestamptz(3),
  state        text NOT NULL DEFAULT 'running' CHECK (state IN ('running', 'paused', 'completed', 'cancelled')),
  -- `done` and `failed` without those that ended since they were last collected from replay_delivery.
  matched      integer NOT NULL DEFAULT 0,
  done         integer NOT NULL DEFAULT 0 CHECK (done >= 0),
  failed       integer NOT NULL DEFAULT 0 CHECK (failed >= 0),
  -- Also the bound: what finished after this is not replayed.
  created_at   timestamptz(3) NOT NULL DEFAULT now(),
  finished_at  timestamptz(3),
  CHECK (done + failed <= matched),
  CHECK ((state IN ('completed', 'cancelled')) = (finished_at IS NOT NULL))
);
CREATE UNIQUE INDEX replay_underway ON replay (customer_id) WHERE state IN ('running', 'paused');
CREATE INDEX replay_customer_time ON replay (customer_id, id);

-- An endpoint of a replay that still has deliveries to open. The row goes when its walk ends.
CREATE TABLE replay_lane (
  replay_id    uuid NOT NULL REFERENCES replay (id),
  endpoint_id  uuid NOT NULL,
  -- Its share of the replay's `matched`, and how many of them were opened or found too old.
  matched      integer NOT NULL,
  taken        integer NOT NULL DEFAULT 0 CHECK (taken BETWEEN 0 AND matched),
  -- Deliveries up to this id had their turn.
  after_id     uuid NOT NULL,
  PRIMARY KEY (replay_id, endpoint_id)
);

-- A delivery that a replay opened and whose end is not counted yet: a few dozen per endpoint at most.
CREATE TABLE replay_delivery (
  replay_id    uuid NOT NULL REFERENCES replay (id),
  endpoint_id  uuid NOT NULL,
  delivery_id  uuid NOT NULL,
  PRIMARY KEY (replay_id, endpoint_id, delivery_id)
);

-- Written in the transaction of what the request did, so neither is ever there without the other.
CREATE TABLE idempotent_answer (
  -- The API key that asked: nobody else gets its answers.
  caller_id     uuid NOT NULL,
  key_hash      bytea NOT NULL,
  -- What has to be the same for a request to count as a repeat.
  request_hash  bytea NOT NULL,
  -- Whose data the answer shows; erased with the customer.
  customer_id   text,
  -- Sealed: some answers show a secret. Empty only inside the transaction that makes it.
  sealed        bytea,
  created_at    timestamptz(3) NOT NULL DEFAULT now(),
  PRIMARY KEY (caller_id, key_hash)
);
CREATE INDEX idempotent_answer_time ON idempotent_answer (created_at);
CREATE INDEX idempotent_answer_customer ON idempotent_answer (customer_id);
