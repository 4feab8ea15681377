import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';

import { openPermissionWorld, patiently, type PermissionWorld } from './support/permission-world.js';

let world: PermissionWorld;
beforeAll(async () => {
  world = await openPermissionWorld();
  await world.admin('put', '/v1/customers/acme', {});
}, 120_000);
afterAll(() => world.close());

const send = (method: string, path: string, body: unknown) =>
  patiently(() => world.send(method, path, { token: world.adminKey, body }));

const reserved = ['posthorn', 'posthorn.test', 'posthorn.endpoint.disabled', 'Posthorn.Endpoint.Disabled'];
const told = { path: 'type', message: expect.stringContaining('reserved for the operational events') };

describe('a type that begins with posthorn.', () => {
  it.each(reserved)('%s cannot be sent, alone or in a batch, nor put into the catalogue', async (type) => {
    const event = { customerId: 'acme', type, data: {} };
    expect(await send('post', '/v1/events', event)).toMatchObject({
      status: 400,
      body: { code: 'invalid_request', errors: [told] },
    });
    const sound = { ...event, type: 'posthorns.flown' };
    expect(await send('post', '/v1/events/batch', { events: [event, sound] })).toMatchObject({
      status: 202,
      body: { results: [{ status: 400, code: 'invalid_request', errors: [told] }, { status: 202 }] },
    });
    expect(await send('put', `/v1/event-types/${type}`, {})).toMatchObject({
      status: 400,
      body: { code: 'invalid_request', errors: [{ ...told, path: 'name' }] },
    });
  });

  it('can be asked for by an endpoint, and looked for in the history', async () => {
    const url = 'https://example.com/';
    const eventTypes = ['posthorn.*', 'posthorn.endpoint.disabled', 'posthorn'];
    expect(await send('post', '/v1/customers/acme/endpoints', { url, eventTypes })).toMatchObject({
      status: 201,
      body: { eventTypes },
    });
    for (const path of ['/v1/events', '/v1/deliveries'])
      expect((await send('get', `${path}?type=posthorn.one_shot`, undefined)).status).toBe(200);
    const replay = { customerId: 'acme', type: 'posthorn.one_shot', dryRun: true };
    expect((await send('post', '/v1/replays', replay)).status).toBe(200);
  });

  it('is that of one-shots and tests all the same', async () => {
    const oneShot = { customerId: 'acme', url: 'https://example.com/', payload: {} };
    const { id } = await world.admin('post', '/v1/webhooks/deliver', oneShot);
    expect(await world.admin('get', `/v1/deliveries/${id}`)).toMatchObject({ type: 'posthorn.one_shot' });
    const endpointId = await world.endpoint('acme');
    const tested = await send('post', `/v1/endpoints/${endpointId}/test`, { waitSeconds: 0 });
    expect(tested.status).toBe(202);
    const { deliveryId } = tested.body as unknown as { deliveryId: string };
    expect(await world.admin('get', `/v1/deliveries/${deliveryId}`)).toMatchObject({ type: 'posthorn.test' });
  });
});
