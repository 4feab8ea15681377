-- Tests of endpoints: an event and a delivery that are sent like any other, and that no ledger, no statistics and no bulk
-- replay counts. Columns with a constant default: running processes of the version before go on. A worker of that version
-- would treat a test as an ordinary delivery, so begin to use them when all workers are of this one.

ALTER TABLE event ADD COLUMN test boolean NOT NULL DEFAULT false;
ALTER TABLE delivery ADD COLUMN test boolean NOT NULL DEFAULT false;
