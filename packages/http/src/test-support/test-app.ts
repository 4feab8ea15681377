import { operations } from '@posthorn/api-contract';
import { createLogger } from '@posthorn/runtime';
import { Router } from 'express';
import { Writable } from 'node:stream';

import type { KnownApiKey } from '../api-key-directory.js';
import { hashToken } from '../token-hash.js';
import { authenticate } from '../authenticate.js';
import { createHttpApp } from '../create-http-app.js';
import { createIdentities } from '../identities.js';
import type { HttpResponse } from '../http-response.js';
import { mountOperation, type OperationRequest } from '../mount-operation.js';

export const keys = {
  admin: `phk_${'a'.repeat(43)}`,
  reader: `phk_${'r'.repeat(43)}`,
  acmeAdmin: `phk_${'c'.repeat(43)}`,
};

type Handler = (request: OperationRequest<never, never, never>) => Promise<HttpResponse>;
type Handlers = { [K in keyof typeof operations]?: Handler };

/** An app with the given operations; keys come from a list, everything else is what runs in production. */
export function testApp(handlers: Handlers, routers: Router[] = []) {
  const router = Router();
  for (const [id, handler] of Object.entries(handlers)) {
    const operation = operations[id as keyof typeof operations];
    mountOperation(
      router,
      operation as never,
      authenticate({ identities, limits, auditTrail }),
      handler as never,
    );
  }
  const lines: string[] = [];
  const destination = new Writable({
    write(chunk: Buffer, _encoding, done) {
      lines.push(chunk.toString());
      done();
    },
  });
  const logger = createLogger({ level: 'debug', role: 'test', destination });
  return { app: createHttpApp({ logger, routers: [...routers, router] }), lines };
}

const known = new Map<string, KnownApiKey>([
  [keys.admin, { id: 'admin', scopes: ['admin'], customerId: null, rateLimit: null }],
  [keys.reader, { id: 'reader', scopes: ['read'], customerId: null, rateLimit: null }],
  [keys.acmeAdmin, { id: 'acme', scopes: ['admin'], customerId: 'acme', rateLimit: null }],
]);
const byHash = new Map([...known].map(([key, value]) => [hashToken(key).toString('hex'), value]));

const identities = createIdentities({
  apiKeys: {
    find: (hash) => Promise.resolve(byHash.get(hash.toString('hex')) ?? null),
    isKnown: () => false,
  },
  portalSessions: { find: () => Promise.resolve(null), isKnown: () => false },
  failedAttempts: { refuse: () => undefined, note: () => undefined },
});
const limits = { count: () => undefined };
const auditTrail = { record: () => Promise.resolve() };
