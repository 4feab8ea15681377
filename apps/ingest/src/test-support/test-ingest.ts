import { createHash } from 'node:crypto';
import { createHttpApp, createIdentities, type KnownApiKey, type RequestLimits } from '@posthorn/http';
import type { AcceptOutcome, EventToAccept } from '@posthorn/delivery/accept';
import { createLogger } from '@posthorn/runtime';

import { createIngestRouter } from '../ingest-router.js';
import { neverRefused, unlimited } from './no-limits.js';
import { noOneShots } from './no-one-shots.js';
import { openGate } from './open-gate.js';

export const keys = {
  writer: `phk_${'w'.repeat(43)}`,
  admin: `phk_${'a'.repeat(43)}`,
  reader: `phk_${'r'.repeat(43)}`,
  acme: `phk_${'c'.repeat(43)}`,
};

const eventUuid = '01890a5d-ac96-774b-bcce-b302099a8057';
export const eventId = 'evt_01h455vb4pex5vsknk084sn02q';

/** The router on a real app; what reaches the acceptor is recorded, `outcomeOf` says what comes back. */
export function testIngest(
  outcomeOf: (
    event: EventToAccept,
    index: number,
  ) => AcceptOutcome | Error | Promise<AcceptOutcome> = accepted,
  limits: RequestLimits = unlimited,
) {
  const events: EventToAccept[] = [];
  const logger = createLogger({ level: 'silent', role: 'test' });
  const ingest = createIngestRouter({
    acceptor: {
      accept(event) {
        const outcome = outcomeOf(event, events.push(event) - 1);
        return outcome instanceof Error ? Promise.reject(outcome) : Promise.resolve(outcome);
      },
    },
    identities: createIdentities({
      apiKeys: {
        find: (hash) => Promise.resolve(known.get(hash.toString('hex')) ?? null),
        isKnown: () => false,
      },
      portalSessions: { find: () => Promise.resolve(null), isKnown: () => false },
      failedAttempts: neverRefused,
    }),
    limits,
    schemas: { check: () => Promise.resolve([]) },
    ...noOneShots,
    overload: openGate,
    logger,
  });
  return { app: createHttpApp({ logger, ingest, routers: [] }), events };
}

export function accepted(event: EventToAccept): AcceptOutcome {
  return {
    kind: 'accepted',
    id: eventUuid,
    customerId: event.customerId,
    type: event.type,
    occurredAtMs: event.occurredAtMs ?? Date.UTC(2026, 0, 1),
    deliveries: 2,
    replayed: false,
  };
}

const known = new Map<string, KnownApiKey>(
  Object.entries({
    [keys.writer]: { id: 'w', scopes: ['events:write'], customerId: null, rateLimit: null },
    [keys.admin]: { id: 'a', scopes: ['admin'], customerId: null, rateLimit: null },
    [keys.reader]: { id: 'r', scopes: ['read'], customerId: null, rateLimit: null },
    [keys.acme]: { id: 'c', scopes: ['events:write'], customerId: 'acme', rateLimit: null },
  } satisfies Record<string, KnownApiKey>).map(([key, value]) => [
    createHash('sha256').update(key).digest('hex'),
    value,
  ]),
);
