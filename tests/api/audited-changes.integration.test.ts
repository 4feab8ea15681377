import { type OperationId, operations } from '@posthorn/api-contract';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';

import { isForPortalsOnly, pathOf } from './support/outcomes/common-outcomes.js';
import { permissionRequests, type RequestRecipe } from './support/permission-requests.js';
import { openPermissionWorld, type PermissionWorld } from './support/permission-world.js';

/** The audit log does not have them: events are not changes, and the last changes nothing. */
const unrecorded: readonly string[] = ['createEvent', 'createEvents', 'deliverWebhook', 'verifySignature'];
/** The catalogue is nobody's in particular. */
const ofNobody: readonly string[] = ['putEventType', 'deleteEventType'];

const keyOf: RequestRecipe['make'] = async (world, customerId) => {
  const { id } = await world.admin('post', '/v1/api-keys', { scopes: ['read'], customerId });
  return { params: { apiKeyId: id } };
};
/** Where the requests of the permission table are of no customer, or change nothing. */
const ownRequests: Partial<Record<OperationId, RequestRecipe['make']>> = {
  eraseCustomer: (_world, customerId) => ({ params: { customerId } }),
  createReplay: (_world, customerId) => ({ body: { customerId } }),
  createApiKey: (_world, customerId) => ({ body: { scopes: ['read'], customerId } }),
  patchApiKey: async (world, customerId) => ({
    ...(await keyOf(world, customerId)),
    body: { name: 'changed' },
  }),
  revokeApiKey: keyOf,
  revokePortalLinks: async (world, customerId) => {
    await world.linkToken(customerId);
    return { params: { customerId } };
  },
};
const writing = (Object.keys(operations) as OperationId[]).filter((id) => operations[id].method !== 'get');

let world: PermissionWorld;

beforeAll(async () => {
  world = await openPermissionWorld();
});
afterAll(() => world.close());

interface Entry {
  id: string;
  keyId: string | null;
  portalLinkId: string | null;
  operation: string;
  target: Record<string, string>;
  customerId: string | null;
}

const entries = async (query: string) =>
  (await world.admin('get', `/v1/audit-log?limit=250&${query}`)).data as unknown as Entry[];

/** Asks for it about the customer, and tells what the audit log has more of it than before. */
async function changeAndRead(id: OperationId, customerId: string) {
  const make = ownRequests[id] ?? permissionRequests[id].make;
  const request = await make(world, customerId);
  const token = isForPortalsOnly(id) ? await world.portal(customerId) : world.adminKey;
  const before = new Set((await entries(`operation=${id}`)).map((entry) => entry.id));
  const { status } = await world.send(operations[id].method, pathOf(id, request), {
    token,
    body: request.body,
  });
  expect([200, 201, 202, 204]).toContain(status);
  const added = (await entries(`operation=${id}`)).filter((entry) => !before.has(entry.id));
  return { request, added };
}

describe('what changes something', () => {
  it.each(writing.filter((id) => !unrecorded.includes(id)))(
    'as %s is in the audit log with what and whose it was, until the customer is erased',
    async (id) => {
      const customerId = await world.customer();
      const { request, added } = await changeAndRead(id, customerId);
      expect(added).toEqual([
        expect.objectContaining({
          customerId: ofNobody.includes(id) ? null : customerId,
          target: expect.objectContaining(request.params ?? {}),
        }),
      ]);
      const [{ target, keyId, portalLinkId }] = added as [Entry];
      expect(Object.values(target).filter((value) => value !== '')).not.toEqual([]);
      expect([keyId, portalLinkId].filter((who) => who !== null)).toHaveLength(1);

      if (id !== 'eraseCustomer') await world.admin('delete', `/v1/customers/${customerId}`);
      const left = (await entries('')).filter((entry) => JSON.stringify(entry).includes(`"${customerId}"`));
      expect(left.map(({ operation }) => operation)).toEqual(['eraseCustomer']);
      const after = await entries(`operation=${id}`);
      const staysFor: readonly string[] = [...ofNobody, 'eraseCustomer'];
      expect(after.some((entry) => entry.id === added[0]?.id)).toBe(staysFor.includes(id));
    },
  );
});

describe('what changes nothing', () => {
  it.each(unrecorded as OperationId[])('as %s is not in the audit log', async (id) => {
    const { added } = await changeAndRead(id, await world.customer());
    expect(added).toEqual([]);
  });
});
