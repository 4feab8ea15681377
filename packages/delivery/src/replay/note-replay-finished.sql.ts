import { noteSql } from '../operational-events/notices.sql.js';

/** The part of a statement that notes that a replay ended: it goes behind one called `finished`, which returns the row. */
export const NOTE_REPLAY_FINISHED = noteSql(
  'noted',
  'posthorn.replay.finished',
  `jsonb_build_object('replayId', id, 'state', state, 'matched', matched, 'done', done, 'failed', failed)`,
  'finished',
);
