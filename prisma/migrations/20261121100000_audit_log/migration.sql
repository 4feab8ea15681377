-- Every change of settings and every intervention, as it was asked for over the API. Append only. A new table that
-- nothing else reads: running processes of the version before go on, without entries of theirs.

CREATE TABLE audit_entry (
  -- A UUIDv7: its time is when the change was answered.
  id           uuid PRIMARY KEY,
  -- Who: an API key, also when it is gone by now.
  key_id       uuid NOT NULL,
  -- What: an operation of the API, the ids it was about, and the names of the members that were sent, never their values.
  operation    text NOT NULL,
  target       json NOT NULL,
  members      text[] NOT NULL,
  -- Whose data: null for what concerns no customer in particular.
  customer_id  text,
  request_id   text NOT NULL,
  -- From where.
  address      text,
  user_agent   text
);
CREATE INDEX audit_entry_customer ON audit_entry (customer_id, id);
