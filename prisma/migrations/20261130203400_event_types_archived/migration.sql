-- Entries of the catalogue can be archived and deleted. A deleted one stays as an empty row, because processes that missed
-- the announcement find changes by `updated_at`, and have to find this one too: its schema is checked no longer.
-- Running processes survive it; those of before show a deleted entry as one without a description.
ALTER TABLE event_type
  ADD COLUMN archived_at timestamptz(3),
  ADD COLUMN deleted_at timestamptz(3),
  ADD CONSTRAINT event_type_deleted_is_empty
    CHECK (deleted_at IS NULL OR (description IS NULL AND schema IS NULL AND example IS NULL AND archived_at IS NULL));
