import type { Operation } from './operation.js';
import { accessOperations } from './operations-access.js';
import { customerOperations } from './operations-customers.js';
import { endpointOperations } from './operations-endpoints.js';
import { eventTypeOperations } from './operations-event-types.js';
import { eventOperations } from './operations-events.js';
import { historyOperations } from './operations-history.js';
import { portalOperations } from './operations-portal.js';
import { replayOperations } from './operations-replays.js';
import { serviceOperations } from './operations-service.js';
import { signatureOperations } from './operations-signatures.js';
import { webhookOperations } from './operations-webhooks.js';

/** Every operation there is. Routes, refusals of methods (405) and the OpenAPI document come from this one table. */
export const operations = {
  ...eventOperations,
  ...webhookOperations,
  ...customerOperations,
  ...endpointOperations,
  ...eventTypeOperations,
  ...signatureOperations,
  ...historyOperations,
  ...replayOperations,
  ...accessOperations,
  ...portalOperations,
  ...serviceOperations,
} as const;

/** The same, for those who look at all of them. */
export const operationList = Object.values(operations) as readonly Operation[];
