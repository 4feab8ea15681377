import type { operations } from './operations.js';
import type { Scope } from './scope.js';

/** `all`: of every customer; `own`: of one's own customer, another's is answered 404; `no`: refused with 403. */
export type Access = 'all' | 'own' | 'no';

type KeyAccess = Exclude<Access, 'own'>;

/**
 * Who may ask for an operation. A key may do what any of its scopes may. One that is restricted to a customer may do so
 * where `restricted` is not `no`. A portal session belongs to a customer.
 */
export interface Permission {
  admin: KeyAccess;
  read: KeyAccess;
  deliveriesWrite: KeyAccess;
  eventsWrite: KeyAccess;
  restricted: Access;
  portal: Access;
}

/** What the table says of one operation: who may ask for it, or that nothing needs to be sent with it. */
export type PermissionRow = Permission | 'open';

export type OperationId = keyof typeof operations;

/** A caller, as far as permissions go. */
export type PermissionCaller =
  { kind: 'key'; scopes: readonly Scope[]; customerId: string | null } | { kind: 'portal' };

/** Every operation there is; `docs/concepts/access.md` shows this table. */
export const permissions: Readonly<Record<OperationId, PermissionRow>> = {
  // Columns: admin key, read key, deliveries:write key, events:write key, key restricted to one customer, portal session.
  createEvent: row('all', 'no', 'no', 'all', 'own', 'no'),
  createEvents: row('all', 'no', 'no', 'all', 'own', 'no'),

  deliverWebhook: row('all', 'no', 'no', 'all', 'own', 'no'),
  getWebhookStatus: row('all', 'no', 'no', 'all', 'own', 'no'),
  getOneShotSecret: row('all', 'no', 'no', 'no', 'own', 'own'),
  rotateOneShotSecret: row('all', 'no', 'no', 'no', 'own', 'own'),

  putCustomer: row('all', 'no', 'no', 'no', 'no', 'no'),
  listCustomers: row('all', 'no', 'no', 'no', 'own', 'no'),
  getCustomer: row('all', 'no', 'no', 'no', 'own', 'own'),
  eraseCustomer: row('all', 'no', 'no', 'no', 'no', 'no'),

  createEndpoint: row('all', 'no', 'no', 'no', 'own', 'own'),
  listEndpoints: row('all', 'no', 'no', 'no', 'own', 'own'),
  getEndpoint: row('all', 'no', 'no', 'no', 'own', 'own'),
  patchEndpoint: row('all', 'no', 'no', 'no', 'own', 'own'),
  deleteEndpoint: row('all', 'no', 'no', 'no', 'own', 'own'),
  pauseEndpoint: row('all', 'no', 'no', 'no', 'own', 'own'),
  resumeEndpoint: row('all', 'no', 'no', 'no', 'own', 'own'),
  enableEndpoint: row('all', 'no', 'no', 'no', 'own', 'own'),
  testEndpoint: row('all', 'no', 'no', 'no', 'own', 'own'),
  rotateSecret: row('all', 'no', 'no', 'no', 'own', 'own'),
  verifySignature: row('all', 'no', 'no', 'no', 'own', 'own'),

  // The catalogue is nobody's in particular: whoever may read it sees the whole.
  putEventType: row('all', 'no', 'no', 'no', 'no', 'no'),
  deleteEventType: row('all', 'no', 'no', 'no', 'no', 'no'),
  listEventTypes: row('all', 'all', 'no', 'no', 'all', 'all'),
  getEventType: row('all', 'all', 'no', 'no', 'all', 'all'),

  listEvents: row('all', 'all', 'no', 'no', 'own', 'own'),
  getEvent: row('all', 'all', 'no', 'no', 'own', 'own'),
  listDeliveries: row('all', 'all', 'no', 'no', 'own', 'own'),
  getDelivery: row('all', 'all', 'no', 'no', 'own', 'own'),
  listAttempts: row('all', 'all', 'no', 'no', 'own', 'own'),
  replayEvent: row('all', 'no', 'all', 'no', 'own', 'own'),
  replayDelivery: row('all', 'no', 'all', 'no', 'own', 'own'),
  cancelDelivery: row('all', 'no', 'all', 'no', 'own', 'own'),
  cancelDeliveries: row('all', 'no', 'all', 'no', 'own', 'own'),
  streamDeliveries: row('all', 'all', 'no', 'no', 'own', 'own'),
  getLedger: row('all', 'all', 'no', 'no', 'own', 'own'),
  getStats: row('all', 'all', 'no', 'no', 'own', 'own'),

  // Who starts a bulk replay may see how it goes.
  createReplay: row('all', 'no', 'all', 'no', 'own', 'own'),
  listReplays: row('all', 'all', 'all', 'no', 'own', 'own'),
  getReplay: row('all', 'all', 'all', 'no', 'own', 'own'),
  pauseReplay: row('all', 'no', 'all', 'no', 'own', 'own'),
  resumeReplay: row('all', 'no', 'all', 'no', 'own', 'own'),
  cancelReplay: row('all', 'no', 'all', 'no', 'own', 'own'),

  createApiKey: row('all', 'no', 'no', 'no', 'no', 'no'),
  listApiKeys: row('all', 'no', 'no', 'no', 'no', 'no'),
  patchApiKey: row('all', 'no', 'no', 'no', 'no', 'no'),
  revokeApiKey: row('all', 'no', 'no', 'no', 'no', 'no'),
  listAuditEntries: row('all', 'no', 'no', 'no', 'no', 'no'),

  createPortalLink: row('all', 'no', 'no', 'no', 'own', 'no'),
  revokePortalLinks: row('all', 'no', 'no', 'no', 'own', 'no'),
  openPortalSession: 'open',
  getPortalSession: row('no', 'no', 'no', 'no', 'no', 'own'),
  endPortalSession: row('no', 'no', 'no', 'no', 'no', 'own'),

  getHealth: 'open',
  getReady: 'open',
  getOpenApi: 'open',
  getDocs: 'open',
};

/** The row of an operation. Throws for one that the table does not know: nobody may ask for that. */
export function permissionOf(operationId: string): PermissionRow {
  const found = Object.hasOwn(permissions, operationId) ? permissions[operationId as OperationId] : undefined;
  if (found === undefined) throw new Error(`The permission table has no row for ${operationId}`);
  return found;
}

/** What the caller may do by this row. `own` is what its handler has to keep to; `all` and `no` it need not think of. */
export function accessBy(permission: Permission, caller: PermissionCaller): Access {
  if (caller.kind === 'portal') return permission.portal;
  if (!caller.scopes.some((scope) => permission[scopeColumns[scope]] === 'all')) return 'no';
  return caller.customerId === null ? 'all' : permission.restricted;
}

/** The least scope that opens an operation to a key; null where none does. */
export function leastScope({ admin, read, deliveriesWrite, eventsWrite }: Permission): Scope | null {
  if (read === 'all') return 'read';
  if (deliveriesWrite === 'all') return 'deliveries:write';
  if (eventsWrite === 'all') return 'events:write';
  return admin === 'all' ? 'admin' : null;
}

const scopeColumns = {
  admin: 'admin',
  read: 'read',
  'deliveries:write': 'deliveriesWrite',
  'events:write': 'eventsWrite',
} as const;

function row(
  admin: KeyAccess,
  read: KeyAccess,
  deliveriesWrite: KeyAccess,
  eventsWrite: KeyAccess,
  restricted: Access,
  portal: Access,
): Permission {
  return { admin, read, deliveriesWrite, eventsWrite, restricted, portal };
}
