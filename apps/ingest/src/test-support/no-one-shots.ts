import type { IngestRouterDeps } from '../ingest-router.js';

/** For tests that are about events. */
export const noOneShots: Pick<IngestRouterDeps, 'oneShots' | 'checkTargetUrl'> = {
  oneShots: {
    accept: () => Promise.reject(new Error('No one-shots in this test')),
    status: () => Promise.resolve(null),
  },
  checkTargetUrl: () => ({ ok: true }),
};
