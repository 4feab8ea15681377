-- How far the sweep has looked ahead: up to here every pending delivery that is due soon has been seen. Running workers of
-- the version before do not name these columns and survive them; with the defaults the next pass begins at what is due now.

ALTER TABLE sweep
  ADD COLUMN ahead_due timestamptz(3) NOT NULL DEFAULT to_timestamp(0),
  ADD COLUMN ahead_id  uuid NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000';
