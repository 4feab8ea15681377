import { createAuditStore, createPortalLinkStore } from '@posthorn/database';
import {
  createAuditTrail,
  createFailedAttempts,
  createIdentities,
  createPortalSessionDirectory,
  createRateLimiter,
  createRedisWindowCounter,
  createRequestLimits,
  type Limit,
} from '@posthorn/http';
import type { Logger, ServeConfig, Shutdown } from '@posthorn/runtime';
import { checkTargetUrl } from '@posthorn/sender';

import type { Services } from './open-services.js';

export interface OpenAccessDeps {
  config: ServeConfig;
  services: Services;
  logger: Logger;
  shutdown: Shutdown;
}

/** Who may call, how often, and which targets a caller may name. */
export type Access = ReturnType<typeof openAccess>;

export function openAccess({ config, services, logger, shutdown }: OpenAccessDeps) {
  const { allowTargets, redisUrl, queuePrefix: prefix } = config;
  const { database, apiKeys } = services;
  const counter = createRedisWindowCounter({ redisUrl, prefix });
  shutdown.onClose('limits', () => counter.close());
  const failedAttempts = createFailedAttempts({
    counter,
    maxPerMinute: config.authFailuresPerMinute,
    logger,
  });
  const portalSessions = createPortalSessionDirectory(createPortalLinkStore(database));
  return {
    failedAttempts,
    identities: createIdentities({ apiKeys, portalSessions, failedAttempts }),
    limits: createRequestLimits({
      limiter: createRateLimiter({ counter, logger }),
      defaults: {
        api: perSecond(config.apiRequestsPerSecond),
        ingest: perSecond(config.ingestRequestsPerSecond),
      },
    }),
    auditTrail: createAuditTrail(createAuditStore(database), logger),
    checkTargetUrl: (url: string) => checkTargetUrl(url, { allowTargets }),
  };
}

function perSecond(max: number): Limit | null {
  return max === 0 ? null : { max, perSeconds: 1 };
}
