import type { Database } from '@posthorn/database';
import {
  authenticate,
  authenticateOperator,
  throttleAnonymous,
  type AuditTrail,
  type CheckTargetUrl,
  type FailedAttempts,
  type Identities,
  type RequestLimits,
} from '@posthorn/http';
import { openLiveLanes } from '@posthorn/queue';
import type { Logger, SecretBox, ServeConfig, Shutdown } from '@posthorn/runtime';
import type { Router } from 'express';

import { createConsoleRouter, type ConsoleRouterDeps } from './console-router.js';
import { createQueueBoard } from './queue-board.js';

export interface StartConsoleDeps {
  config: ServeConfig;
  logger: Logger;
  shutdown: Shutdown;
  database: Database;
  secretBox: SecretBox;
  queue: ConsoleRouterDeps['queue'];
  identities: Identities;
  limits: RequestLimits;
  failedAttempts: FailedAttempts;
  auditTrail: AuditTrail;
  checkTargetUrl: CheckTargetUrl;
}

export interface Console {
  routers: Router[];
  /** Ends the responses that would otherwise stay open: streams, and whoever waits for a test delivery. */
  endStreams(): void;
}

/** The console role: the API for management and history, and Bull Board. */
export function startConsole({
  config,
  logger,
  shutdown,
  database,
  secretBox,
  queue,
  identities,
  limits,
  failedAttempts,
  auditTrail,
  checkTargetUrl,
}: StartConsoleDeps): Console {
  const { redisUrl, queuePrefix: prefix } = config;
  const stopping = new AbortController();
  const board = createQueueBoard({
    authentication: authenticateOperator(identities),
    openLanes: () => openLiveLanes({ redisUrl, prefix }),
  });
  shutdown.onClose('queue board', () => board.close());
  const router = createConsoleRouter({
    authentication: authenticate({ identities, limits, auditTrail }),
    admission: throttleAnonymous({ failedAttempts, auditTrail }),
    database,
    secretBox,
    checkTargetUrl,
    queue,
    logger,
    retentionDays: config.retentionDays,
    endpointInFlightMax: config.endpointInFlightMax,
    endpointsMax: config.endpointsMax,
    timeoutMs: config.timeoutMs,
    stopping: stopping.signal,
    stream: { streamsMax: config.streamsMax },
    portal: { publicUrl: config.publicUrl, sessionSeconds: config.portalSessionSeconds },
  });
  return {
    routers: [router, board.router],
    endStreams: () => {
      stopping.abort();
    },
  };
}
