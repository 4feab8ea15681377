-- Links that let a customer's people into the portal, and the sessions they became. A row is one link and, once it was
-- used, its one session. Running processes of the version before go on; an erasure of theirs takes the links along.

CREATE TABLE portal_link (
  id                  uuid PRIMARY KEY,
  customer_id         text NOT NULL REFERENCES customer (id) ON DELETE CASCADE,
  -- SHA-256 of the tokens; the tokens themselves are shown once and never stored.
  token_hash          bytea NOT NULL UNIQUE CHECK (octet_length(token_hash) = 32),
  expires_at          timestamptz(3) NOT NULL,
  created_at          timestamptz(3) NOT NULL DEFAULT now(),
  -- Set when the link was used, which it can be once.
  session_hash        bytea UNIQUE CHECK (octet_length(session_hash) = 32),
  session_expires_at  timestamptz(3),
  CHECK ((session_hash IS NULL) = (session_expires_at IS NULL))
);
CREATE INDEX portal_link_customer ON portal_link (customer_id);

-- Who made a change: an API key, or someone who came by a portal link.
ALTER TABLE audit_entry
  ALTER COLUMN key_id DROP NOT NULL,
  ADD COLUMN portal_link_id uuid,
  ADD CHECK (num_nonnulls(key_id, portal_link_id) = 1);
