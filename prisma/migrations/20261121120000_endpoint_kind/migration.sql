-- Endpoints that Posthorn makes for itself beside those that are registered: they are delivered to like any other, but no
-- list shows them, no limit counts them, and no event is fanned out to them. A column with a constant default: running
-- processes of the version before go on.

ALTER TABLE endpoint ADD COLUMN kind text NOT NULL DEFAULT 'registered'
  CHECK (kind IN ('registered', 'notification', 'one_shot'));
