-- Endpoints none of whose attempts is delivered any more, and since when: kept by the reader of attempts. A new table:
-- running processes of the version before go on.

CREATE TABLE endpoint_failing (
  endpoint_id  uuid PRIMARY KEY REFERENCES endpoint (id) ON DELETE CASCADE,
  -- The endpoint's `health_epoch` then: another one has not failed yet.
  epoch        integer NOT NULL,
  -- When the first and the last of these attempts started.
  since        timestamptz(3) NOT NULL,
  last_at      timestamptz(3) NOT NULL CHECK (last_at >= since),
  -- The last of them when it was told, null while it was not. That it is over is to be told as well then.
  warned_at    timestamptz(3)
) WITH (fillfactor = 70);
