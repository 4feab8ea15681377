import {
  createApiKeyStore,
  createAuditStore,
  createCustomerStore,
  createEndpointStore,
  createEventTypeStore,
  createIdempotentAnswerStore,
  createOneShotSecrets,
  createPortalLinkStore,
  type Database,
} from '@posthorn/database';
import { createOneShotStore } from '@posthorn/delivery/attempt';
import {
  createAttemptStore,
  createDeliveryStore,
  createEventStore,
  createLedgerStore,
} from '@posthorn/delivery/history';
import { createReplayStore } from '@posthorn/delivery/replay';
import { createStatisticsStore } from '@posthorn/delivery/statistics';
import type { EraseCustomerDeps } from '@posthorn/delivery/erase';
import { holdLimitMs } from '@posthorn/delivery/hold';
import type { ReplayDeps } from '@posthorn/delivery/replay';
import type { CheckTargetUrl } from '@posthorn/http';
import type { Logger, SecretBox } from '@posthorn/runtime';
import { type RequestHandler, Router } from 'express';
import { mountApiKeys } from './api-keys.js';
import { mountAuditLog } from './audit-log.js';
import { mountCustomers } from './customers.js';
import { mountDeliveries } from './deliveries.js';
import { mountDeliveryActions } from './delivery-actions.js';
import { mountEndpointStatus } from './endpoint-status.js';
import { mountEndpoints } from './endpoints.js';
import { mountEventTypes } from './event-types.js';
import { mountEvents } from './events.js';
import { mountLedger } from './ledger.js';
import { mountOneShotSecret } from './one-shot-secret.js';
import { mountPortal, type PortalSettings } from './portal.js';
import { mountReplays } from './replays.js';
import { mountSignatures } from './signatures.js';
import { mountStats } from './stats.js';
import { mountStream, type StreamSettings } from './stream/stream.js';
import { takeTurns } from './take-turns.js';
import { mountTestEndpoint } from './test-endpoint.js';

export interface ConsoleRouterDeps {
  authentication: RequestHandler;
  /** In front of the operations that anyone may ask for. */
  admission: RequestHandler;
  database: Pick<Database, 'pool' | 'keyLookupPool' | 'prisma' | 'clock'>;
  secretBox: SecretBox;
  checkTargetUrl: CheckTargetUrl;
  /** Gets what a replay or a resume makes due, while it is away the sweep does its work; and forgets erased customers. */
  queue: ReplayDeps['queue'] & EraseCustomerDeps['queue'];
  logger: Logger;
  retentionDays: number;
  /** What an endpoint without a limit of its own may have in flight. */
  endpointInFlightMax: number;
  /** Endpoints of a customer without a limit of its own. */
  endpointsMax: number;
  portal: PortalSettings;
  /** What an attempt may take. */
  timeoutMs: number;
  /** Aborted when the process is to end: whoever waits is answered. */
  stopping: AbortSignal;
  stream: StreamSettings;
}

/** The management API: customers, endpoints, API keys, and the history of events, deliveries and attempts. */
export function createConsoleRouter({
  authentication,
  admission,
  database,
  secretBox,
  checkTargetUrl,
  queue,
  logger,
  retentionDays,
  endpointInFlightMax,
  endpointsMax,
  portal,
  timeoutMs,
  stopping,
  stream,
}: ConsoleRouterDeps): Router {
  const { pool, prisma, clock } = database;
  const customers = createCustomerStore({ prisma });
  const endpoints = createEndpointStore({ prisma, secretBox, clock, endpointsMax });
  const apiKeys = createApiKeyStore({ prisma, clock });
  const events = createEventStore({ prisma });
  const deliveries = createDeliveryStore({ prisma, clock });
  const attempts = createAttemptStore({ prisma });
  const ledger = createLedgerStore({ prisma });
  const oneShots = createOneShotStore({ ...database, secretBox });
  const oneShotSecrets = createOneShotSecrets({ prisma, secretBox, clock });
  const heldMs = holdLimitMs(retentionDays);
  const replays = createReplayStore({ pool, prisma, clock, holdLimitMs: heldMs });
  const answers = createIdempotentAnswerStore({ prisma, secretBox });
  // Together they may hold two connections; statistics have two of their own, because a chart need not wait for a count.
  const takeTurn = takeTurns();
  const reopening = { pool, queue, logger, holdLimitMs: heldMs };

  const router = Router({ caseSensitive: true });
  mountCustomers(router, { authentication, database, secretBox, customers, checkTargetUrl, queue, logger });
  mountEndpoints(router, {
    authentication,
    pool,
    customers,
    endpoints,
    answers,
    checkTargetUrl,
    endpointInFlightMax,
  });
  mountOneShotSecret(router, { authentication, customers, oneShotSecrets, answers });
  mountSignatures(router, { authentication, endpoints, clock });
  mountApiKeys(router, { authentication, apiKeys, answers });
  mountEventTypes(router, { authentication, eventTypes: createEventTypeStore({ prisma }) });
  mountEvents(router, { authentication, customers, events, deliveries, oneShots });
  mountDeliveries(router, { authentication, customers, endpoints, events, deliveries, attempts });
  mountEndpointStatus(router, { authentication, endpoints, ...reopening });
  mountTestEndpoint(router, {
    authentication,
    endpoints,
    events,
    deliveries,
    attempts,
    pool,
    clock,
    queue,
    logger,
    timeoutMs,
    stopping,
  });
  mountDeliveryActions(router, {
    authentication,
    customers,
    endpoints,
    events,
    deliveries,
    takeTurn,
    ...reopening,
  });
  mountAuditLog(router, { authentication, audit: createAuditStore({ prisma, clock }) });
  mountReplays(router, { authentication, customers, endpoints, replays, answers, takeTurn, logger });
  mountPortal(router, {
    authentication,
    admission,
    customers,
    portalLinks: createPortalLinkStore({ prisma, clock }),
    answers,
    settings: portal,
  });
  mountLedger(router, { authentication, customers, endpoints, ledger, takeTurn });
  mountStream(router, { authentication, pool, customers, secretBox, logger, stopping, settings: stream });
  mountStats(router, {
    authentication,
    customers,
    endpoints,
    statistics: createStatisticsStore({ pool }),
    takeTurn: takeTurns(),
    clock,
  });
  return router;
}
