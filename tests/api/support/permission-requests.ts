import type { OperationId } from '@posthorn/api-contract';
import { createUuidV7, encodeId } from '@posthorn/domain';
import type { Answered, PermissionWorld } from './permission-world.js';

/** A request that would be answered with success, were it not for who asks. */
export interface PermissionRequest {
  /** By the names in the operation's path. */
  params?: Record<string, string>;
  query?: Record<string, string>;
  body?: unknown;
}

export interface RequestRecipe {
  /** About what is the customer's; made anew for each request that may change it. */
  make(world: PermissionWorld, customerId: string): PermissionRequest | Promise<PermissionRequest>;
  /** How the answer says that what was asked for is another's; 404 unless told. */
  saysNotYours?(answer: Answered): boolean;
  /** True: the request names no customer and nothing of one, so another's cannot be asked for. */
  ofNobody?: boolean;
}

const ofCustomer = (_world: PermissionWorld, customerId: string) => ({ params: { customerId } });
const byFilter = (_world: PermissionWorld, customerId: string) => ({ query: { customerId } });
const nothing = () => ({});
const unknownId = (prefix: string) => encodeId(prefix, createUuidV7(Date.now()));
const withEndpoint: RequestRecipe['make'] = async (world, customerId) => ({
  params: { endpointId: await world.endpoint(customerId) },
});
const withEvent: RequestRecipe['make'] = async (world, customerId) => ({
  params: { eventId: await world.event(customerId) },
});
const withDelivery: RequestRecipe['make'] = async (world, customerId) => ({
  params: { deliveryId: await world.delivery(customerId) },
});
const withReplay =
  (state: 'running' | 'paused'): RequestRecipe['make'] =>
  async (world, customerId) => ({ params: { replayId: await world.replay(customerId, state) } });
const withApiKey = async (world: PermissionWorld) => {
  const { id } = await world.admin('post', '/v1/api-keys', { scopes: ['read'] });
  return { params: { apiKeyId: id } };
};
const event = (customerId: string) => ({ customerId, type: 'invoice.paid', data: {} });

const oneShot = (customerId: string) => ({ customerId, url: 'https://example.com/', payload: {} });

/** One for every operation: the permission table is tested with them, cell by cell. */
export const permissionRequests: Record<OperationId, RequestRecipe> = {
  createEvent: { make: (_world, customerId) => ({ body: event(customerId) }) },
  createEvents: {
    make: (_world, customerId) => ({ body: { events: [event(customerId)] } }),
    saysNotYours: ({ status, body }) =>
      status === 202 && body.results.every((result) => result.status === 404),
  },
  deliverWebhook: { make: (_world, customerId) => ({ body: oneShot(customerId) }) },
  getWebhookStatus: {
    make: async (world, customerId) => {
      const { id } = await world.admin('post', '/v1/webhooks/deliver', oneShot(customerId));
      return { params: { id } };
    },
  },
  getOneShotSecret: { make: ofCustomer },
  // With the overlap that it has unless told, a customer's secrets would be too many soon.
  rotateOneShotSecret: {
    make: (_world, customerId) => ({ params: { customerId }, body: { overlapSeconds: 0 } }),
  },

  putCustomer: { make: (_world, customerId) => ({ params: { customerId }, body: {} }) },
  listCustomers: { make: nothing, ofNobody: true },
  getCustomer: { make: ofCustomer },
  eraseCustomer: { make: async (world) => ({ params: { customerId: await world.customer() } }) },

  createEndpoint: {
    make: (_world, customerId) => ({ params: { customerId }, body: { url: 'https://example.com/hook' } }),
  },
  listEndpoints: { make: ofCustomer },
  getEndpoint: { make: withEndpoint },
  patchEndpoint: {
    make: async (world, customerId) => ({
      ...(await withEndpoint(world, customerId)),
      body: { description: 'changed' },
    }),
  },
  deleteEndpoint: { make: withEndpoint },
  pauseEndpoint: { make: withEndpoint },
  resumeEndpoint: {
    make: async (world, customerId) => {
      const endpointId = await world.endpoint(customerId);
      await world.admin('post', `/v1/endpoints/${endpointId}/pause`);
      return { params: { endpointId } };
    },
  },
  enableEndpoint: {
    make: async (world, customerId) => ({ params: { endpointId: await world.disabledEndpoint(customerId) } }),
  },
  testEndpoint: {
    make: async (world, customerId) => ({
      ...(await withEndpoint(world, customerId)),
      body: { waitSeconds: 0 },
    }),
  },
  rotateSecret: { make: withEndpoint },
  verifySignature: {
    make: async (world, customerId) => ({
      body: { endpointId: await world.endpoint(customerId), headers: {}, body: '' },
    }),
  },

  putEventType: { make: () => ({ params: { name: 'invoice.paid' }, body: {} }), ofNobody: true },
  deleteEventType: {
    make: async (world) => {
      await world.admin('put', '/v1/event-types/order.retired', {});
      return { params: { name: 'order.retired' } };
    },
    ofNobody: true,
  },
  listEventTypes: { make: nothing, ofNobody: true },
  getEventType: {
    make: async (world) => {
      await world.admin('put', '/v1/event-types/invoice.sent', {});
      return { params: { name: 'invoice.sent' } };
    },
    ofNobody: true,
  },

  listEvents: { make: byFilter },
  getEvent: { make: withEvent },
  listDeliveries: { make: byFilter },
  getDelivery: { make: withDelivery },
  listAttempts: { make: withDelivery },
  replayEvent: {
    make: async (world, customerId) => ({
      ...(await withEvent(world, customerId)),
      body: { endpointId: await world.endpoint(customerId) },
    }),
  },
  replayDelivery: {
    make: async (world, customerId) => {
      const deliveryId = await world.delivery(customerId);
      // One that is due cannot be replayed.
      await world.admin('post', `/v1/deliveries/${deliveryId}/cancel`);
      return { params: { deliveryId } };
    },
  },
  cancelDelivery: { make: withDelivery },
  cancelDeliveries: { make: (_world, customerId) => ({ body: { customerId } }) },
  streamDeliveries: { make: ofCustomer },
  getLedger: { make: byFilter },
  getStats: { make: byFilter },

  createReplay: { make: (_world, customerId) => ({ body: { customerId, dryRun: true } }) },
  listReplays: { make: byFilter },
  getReplay: { make: withReplay('running') },
  pauseReplay: { make: withReplay('running') },
  resumeReplay: { make: withReplay('paused') },
  cancelReplay: { make: withReplay('running') },

  createApiKey: { make: () => ({ body: { scopes: ['read'] } }), ofNobody: true },
  listApiKeys: { make: nothing, ofNobody: true },
  patchApiKey: {
    make: async (world) => ({ ...(await withApiKey(world)), body: { name: 'changed' } }),
    ofNobody: true,
  },
  revokeApiKey: {
    make: withApiKey,
    ofNobody: true,
  },
  listAuditEntries: { make: nothing, ofNobody: true },

  createPortalLink: { make: ofCustomer },
  revokePortalLinks: { make: ofCustomer },
  openPortalSession: {
    make: async (world, customerId) => ({ body: { token: await world.linkToken(customerId) } }),
    ofNobody: true,
  },
  getPortalSession: { make: nothing, ofNobody: true },
  endPortalSession: { make: nothing, ofNobody: true },

  getHealth: { make: nothing, ofNobody: true },
  getReady: { make: nothing, ofNobody: true },
  getOpenApi: { make: nothing, ofNobody: true },
  getDocs: { make: nothing, ofNobody: true },
};

/** Ids of things that are nowhere, for a path's parameters. */
export const unknownParams: Readonly<Record<string, string>> = {
  customerId: 'nobody',
  endpointId: unknownId('ep'),
  eventId: unknownId('evt'),
  deliveryId: unknownId('dlv'),
  replayId: unknownId('rpl'),
  apiKeyId: unknownId('key'),
  id: unknownId('dlv'),
};
