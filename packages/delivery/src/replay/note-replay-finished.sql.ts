import { addToOutboxSql } from '../operational-events/outbox.sql.js';

/** The part of a statement that notes that a replay ended: it goes behind one called `finished`, which returns the row. */
export const NOTE_REPLAY_FINISHED = addToOutboxSql(
  'noted',
  'posthorn.replay.finished',
  `jsonb_build_object('replayId', id, 'state', state, 'matched', matched, 'done', done, 'failed', failed)`,
  'finished',
);
