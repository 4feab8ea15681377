-- A scope of its own for replaying and cancelling. A key that has `read` only reads from now on: no key is given the new
-- scope here, because nobody decided that it should have it; whoever needs it makes a key with it. Running processes
-- survive it: they write none of the new scope.
ALTER TABLE api_key
  DROP CONSTRAINT api_key_scopes_check,
  ADD CONSTRAINT api_key_scopes_check
    CHECK (cardinality(scopes) > 0 AND scopes <@ ARRAY['events:write', 'deliveries:write', 'read', 'admin']);
