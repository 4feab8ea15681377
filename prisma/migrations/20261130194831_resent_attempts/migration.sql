-- Whether an attempt sent its request a second time, because the endpoint had closed the connection that was kept open. A
-- column with a constant default, which rewrites nothing: running processes of the version before go on.

ALTER TABLE attempt ADD COLUMN resent boolean NOT NULL DEFAULT false;
