-- Takes the reasons out that 20261130200200 allows no longer. In a migration of its own, because what is written while this
-- one reads is checked already: in one transaction with the new rule, processes of before could add such rows until its end,
-- and a dump of them could not be restored. Reads every delivery once and locks only the rows that it changes, in the order
-- of workers: accepting and delivering go on.

UPDATE delivery SET reason = NULL
 WHERE id = ANY (ARRAY(
   SELECT id FROM delivery WHERE status IN ('delivered', 'pending') AND reason IS NOT NULL ORDER BY id FOR UPDATE
 ));
