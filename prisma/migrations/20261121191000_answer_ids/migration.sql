-- Answers kept for repeated requests are encrypted anew like everything else that is sealed, which goes by ids. The table
-- holds a day of answers: writing it anew takes a moment. Running processes of the version before go on.

ALTER TABLE idempotent_answer ADD COLUMN id uuid NOT NULL DEFAULT gen_random_uuid();
CREATE UNIQUE INDEX idempotent_answer_id ON idempotent_answer (id);
