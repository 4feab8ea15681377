import type { OperationId } from '@posthorn/api-contract';
import { waitUntil } from '@posthorn/testing';

import type { PermissionRequest } from '../permission-requests.js';
import type { PermissionWorld } from '../permission-world.js';

/** A request whose answer is the outcome that it stands for. */
export interface OutcomeRequest extends PermissionRequest {
  headers?: Record<string, string>;
  token?: string;
  /** What happens while it waits for its answer. */
  meanwhile?: () => Promise<void>;
  /** Puts back what it took to bring it about. */
  after?: () => Promise<void>;
}

export interface OutcomeTools {
  world: PermissionWorld;
  /** Sends one before, as the operator; what it is answered does not count. */
  before(id: OperationId, request: OutcomeRequest): Promise<void>;
}

type Make = (tools: OutcomeTools) => Promise<OutcomeRequest> | OutcomeRequest;

let counted = 0;
const unique = (name: string) => `${name}-${++counted}`;
const refusedUrl = 'http://10.0.0.1/';
const endpointOf = async (world: PermissionWorld) => ({ endpointId: await world.endpoint('acme') });

/** The same key for another request. */
const keyUsed =
  (id: OperationId, one: PermissionRequest, another: PermissionRequest): Make =>
  async ({ before }) => {
    const headers = { 'idempotency-key': unique('key') };
    await before(id, { ...one, headers });
    return { ...another, headers };
  };

const tooManySecrets =
  (id: OperationId, request: (world: PermissionWorld) => Promise<PermissionRequest>): Make =>
  async ({ world, before }) => {
    const rotated = { ...(await request(world)), body: { overlapSeconds: 3_600 } };
    for (let secrets = 0; secrets < 12; secrets += 1) await before(id, rotated);
    return rotated;
  };

const changedReplay =
  (...changes: string[]): Make =>
  async ({ world }) => {
    const replayId = await world.replay('acme', 'running');
    for (const change of changes) await world.admin('post', `/v1/replays/${replayId}/${change}`);
    return { params: { replayId } };
  };

const event = (type: string, data: unknown) => ({ body: { customerId: 'acme', type, data } });
const oneShot = (url: string, payload: unknown) => ({ body: { customerId: 'acme', url, payload } });
const onCustomer = { params: { customerId: 'acme' } };
const newEndpoint = (url: string) => ({ ...onCustomer, body: { url, eventTypes: ['never.sent'] } });

/**
 * For every documented outcome that is the operation's own: a second success, or a refusal that no other operation has in
 * the same way. What all have in common stands in `common-outcomes`.
 */
export const outcomeRequests: Partial<Record<OperationId, Record<string, Make>>> = {
  createEvent: {
    '409 idempotency_conflict': keyUsed('createEvent', event('invoice.paid', 1), event('invoice.paid', 2)),
    '422 unprocessable': async ({ world }) => {
      await world.admin('put', '/v1/event-types/checked.type', { schema: { type: 'string' } });
      return event('checked.type', 1);
    },
  },
  deliverWebhook: {
    '409 idempotency_conflict': keyUsed(
      'deliverWebhook',
      oneShot('https://example.com/', 1),
      oneShot('https://example.com/', 2),
    ),
    '422 unprocessable': () => oneShot(refusedUrl, 1),
  },
  rotateOneShotSecret: {
    '409 conflict': tooManySecrets('rotateOneShotSecret', async (world) => ({
      params: { customerId: await world.customer() },
    })),
    '409 idempotency_conflict': keyUsed('rotateOneShotSecret', onCustomer, {
      ...onCustomer,
      body: { overlapSeconds: 0 },
    }),
  },
  putCustomer: {
    '201': () => ({ params: { customerId: unique('new') }, body: {} }),
    '409 conflict': async ({ world }) => {
      const customerId = await world.customer();
      await world.sql('UPDATE customer SET erased_at = now() WHERE id = $1', [customerId]);
      return { params: { customerId }, body: {} };
    },
    '422 unprocessable': () => ({ ...onCustomer, body: { notificationUrl: refusedUrl } }),
  },
  eraseCustomer: { '409 conflict': () => ({ params: { customerId: 'posthorn' } }) },
  createEndpoint: {
    '409 conflict': async ({ world }) => {
      const customerId = unique('full');
      await world.admin('put', `/v1/customers/${customerId}`, { limits: { maxEndpoints: 0 } });
      return { ...newEndpoint('https://example.com/'), params: { customerId } };
    },
    '409 idempotency_conflict': keyUsed(
      'createEndpoint',
      newEndpoint('https://example.com/'),
      newEndpoint('https://example.com/other'),
    ),
    '422 unprocessable': () => newEndpoint(refusedUrl),
  },
  patchEndpoint: {
    '422 unprocessable': async ({ world }) => ({
      params: await endpointOf(world),
      body: { url: refusedUrl },
    }),
  },
  pauseEndpoint: {
    '409 conflict': async ({ world }) => ({ params: { endpointId: await world.disabledEndpoint('acme') } }),
  },
  resumeEndpoint: {
    '409 conflict': async ({ world }) => ({ params: { endpointId: await world.disabledEndpoint('acme') } }),
  },
  enableEndpoint: {
    '409 conflict': async ({ world }) => {
      const params = await endpointOf(world);
      await world.admin('post', `/v1/endpoints/${params.endpointId}/pause`);
      return { params };
    },
  },
  testEndpoint: {
    '202': async ({ world }) => ({ params: await endpointOf(world), body: { waitSeconds: 0 } }),
    '409 conflict': async ({ world }) => {
      const params = await endpointOf(world);
      const path = `/v1/endpoints/${params.endpointId}`;
      return {
        params,
        body: { waitSeconds: 60 },
        async meanwhile() {
          const sent = `/v1/deliveries?endpointId=${params.endpointId}`;
          await waitUntil(async () => (await world.admin('get', sent)).data.length > 0);
          await world.send('delete', path, { token: world.adminKey });
        },
      };
    },
  },
  rotateSecret: {
    '409 conflict': tooManySecrets('rotateSecret', async (world) => ({ params: await endpointOf(world) })),
    '409 idempotency_conflict': async (tools) => {
      const params = await endpointOf(tools.world);
      return keyUsed('rotateSecret', { params }, { params, body: { overlapSeconds: 0 } })(tools);
    },
  },
  putEventType: {
    '200': async ({ world }) => {
      const name = unique('known');
      await world.admin('put', `/v1/event-types/${name}`, {});
      return { params: { name }, body: {} };
    },
    '201': () => ({ params: { name: unique('new') }, body: {} }),
    '422 unprocessable': () => ({ params: { name: 'invoice.paid' }, body: { schema: { type: 'nothing' } } }),
  },
  replayEvent: {
    '409 conflict': async ({ world }) => {
      const { id } = await world.admin(
        'post',
        '/v1/webhooks/deliver',
        oneShot('https://example.com/', 1).body,
      );
      const { eventId } = (await world.admin('get', `/v1/deliveries/${id}`)) as unknown as {
        eventId: string;
      };
      return { params: { eventId }, body: await endpointOf(world) };
    },
  },
  replayDelivery: {
    '409 conflict': async ({ world }) => {
      const deliveryId = await world.delivery('acme');
      const delivery = (await world.admin('get', `/v1/deliveries/${deliveryId}`)) as unknown as {
        endpointId: string;
      };
      await world.send('delete', `/v1/endpoints/${delivery.endpointId}`, { token: world.adminKey });
      return { params: { deliveryId } };
    },
    '409 delivery_in_flight': async ({ world }) => ({ params: { deliveryId: await world.delivery('acme') } }),
  },
  cancelDelivery: {
    '409 conflict': async ({ world }) => {
      const deliveryId = await world.delivery('acme');
      await world.admin('post', `/v1/deliveries/${deliveryId}/cancel`);
      return { params: { deliveryId } };
    },
  },
  createReplay: {
    '201': async ({ world }) => ({ body: { customerId: await world.customer() } }),
    '409 replay_in_progress': async ({ world }) => {
      await world.replay('acme', 'running');
      return { body: { customerId: 'acme' } };
    },
    '409 idempotency_conflict': async (tools) => {
      const customerId = await tools.world.customer();
      return keyUsed(
        'createReplay',
        { body: { customerId } },
        { body: { customerId, status: 'cancelled' } },
      )(tools);
    },
    '422 unprocessable': async ({ world }) => {
      const customerId = await world.customer();
      await world.admin('post', `/v1/deliveries/${await world.delivery(customerId)}/cancel`);
      // A million and one without the time it takes to insert them.
      await world.sql('ALTER TABLE delivery RENAME TO delivery_once');
      await world.sql(
        'CREATE VIEW delivery AS SELECT delivery_once.* FROM delivery_once, generate_series(1, 1000001)',
      );
      return {
        body: { customerId, status: 'cancelled' },
        async after() {
          await world.sql('DROP VIEW delivery');
          await world.sql('ALTER TABLE delivery_once RENAME TO delivery');
        },
      };
    },
  },
  pauseReplay: { '409 conflict': changedReplay('cancel') },
  resumeReplay: { '409 conflict': changedReplay('cancel') },
  cancelReplay: {
    '409 conflict': async ({ world }) => {
      const replayId = await world.replay('acme', 'running');
      await world.sql(
        `UPDATE replay SET state = 'completed', finished_at = now() WHERE customer_id = 'acme' AND state = 'running'`,
      );
      return { params: { replayId } };
    },
  },
  createApiKey: {
    '409 idempotency_conflict': keyUsed(
      'createApiKey',
      { body: { scopes: ['read'] } },
      { body: { scopes: ['admin'] } },
    ),
    '422 unprocessable': () => ({ body: { scopes: ['read'], customerId: 'nobody' } }),
  },
  patchApiKey: {
    '422 unprocessable': async ({ world }) => {
      const { id } = await world.admin('post', '/v1/api-keys', { scopes: ['read'] });
      return { params: { apiKeyId: id }, body: { rateLimit: { max: 5 } } };
    },
  },
  createPortalLink: {
    '409 idempotency_conflict': keyUsed(
      'createPortalLink',
      { ...onCustomer, body: { expiresInSeconds: 60 } },
      { ...onCustomer, body: { expiresInSeconds: 61 } },
    ),
  },
};
