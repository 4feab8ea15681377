import {
  type Access,
  type OperationId,
  operations,
  type Permission,
  permissionOf,
  type Scope,
} from '@posthorn/api-contract';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';

import { type PermissionRequest, permissionRequests, unknownParams } from './support/permission-requests.js';
import {
  type Answered,
  openPermissionWorld,
  patiently,
  type PermissionWorld,
} from './support/permission-world.js';

interface Visitor {
  /** Of the table. */
  column: Exclude<keyof Permission, 'restricted'>;
  scope?: Scope;
  /** A key of `acme`; a portal session always is. */
  restricted?: true;
}

/** Everyone who may come. */
const visitors: Record<string, Visitor> = {
  'admin key': { column: 'admin', scope: 'admin' },
  'read key': { column: 'read', scope: 'read' },
  'deliveries:write key': { column: 'deliveriesWrite', scope: 'deliveries:write' },
  'events:write key': { column: 'eventsWrite', scope: 'events:write' },
  'restricted admin key': { column: 'admin', scope: 'admin', restricted: true },
  'restricted read key': { column: 'read', scope: 'read', restricted: true },
  'restricted deliveries:write key': {
    column: 'deliveriesWrite',
    scope: 'deliveries:write',
    restricted: true,
  },
  'restricted events:write key': { column: 'eventsWrite', scope: 'events:write', restricted: true },
  'portal session': { column: 'portal' },
};
const operationIds = Object.keys(operations) as OperationId[];

let world: PermissionWorld;
const keys = new Map<string, string>();

beforeAll(async () => {
  world = await openPermissionWorld();
  for (const id of ['acme', 'other']) await world.admin('put', `/v1/customers/${id}`, {});
  for (const [name, { scope, restricted }] of Object.entries(visitors))
    if (scope) keys.set(name, await world.key([scope], restricted && 'acme'));
});
afterAll(() => world.close());

/** A session for each request: some of them end it. */
const tokenOf = async (name: string) => keys.get(name) ?? (await world.portal('acme'));

async function send(id: OperationId, { params = {}, query, body }: PermissionRequest, token?: string) {
  const { method, path } = operations[id];
  const filled = path.replace(/\{(\w+)\}/g, (_match, name: string) => params[name] ?? `no-${name}`);
  const search = query ? `?${new URLSearchParams(query).toString()}` : '';
  return patiently(() =>
    world.send(method, `${filled}${search}`, { ...(token !== undefined && { token }), body }),
  );
}

/** The cell of the table; for a restricted key the restriction comes off what its scope allows. */
function cellOf(permission: Permission, { column, restricted }: Visitor): Access {
  return restricted && permission[column] !== 'no' ? permission.restricted : permission[column];
}

/** What an answer says about permissions. */
function said(id: OperationId, answer: Answered): string {
  if (permissionRequests[id].saysNotYours?.(answer) ?? answer.status === 404) return 'not there';
  if (answer.status < 300) return 'done';
  return answer.status === 403 ? 'forbidden' : `${answer.status} ${JSON.stringify(answer.body)}`;
}

const expected: Record<Access, { acme: string; other: string }> = {
  all: { acme: 'done', other: 'done' },
  own: { acme: 'done', other: 'not there' },
  no: { acme: 'forbidden', other: 'forbidden' },
};

describe('every cell of the permission table', () => {
  it.each(operationIds)('%s', async (id) => {
    const { make, ofNobody = false } = permissionRequests[id];
    const permission = permissionOf(id);
    if (permission === 'open') {
      expect(said(id, await send(id, await make(world, 'acme')))).toBe('done');
      return;
    }
    const rows: Record<string, unknown> = {};
    const rowsExpected: Record<string, unknown> = {};
    for (const [name, visitor] of Object.entries(visitors)) {
      const access = cellOf(permission, visitor);
      for (const customerId of ofNobody ? (['acme'] as const) : (['acme', 'other'] as const)) {
        const cell = `${name}, ${customerId}`;
        rowsExpected[cell] = expected[access][customerId];
        rows[cell] = said(id, await send(id, await make(world, customerId), await tokenOf(name)));
      }
    }
    expect(rows).toEqual(rowsExpected);
    expect((await send(id, await make(world, 'acme'))).status).toBe(401);
  });
});

describe('a read key', () => {
  it('changes no row, whatever it sends', async () => {
    const requests: [OperationId, PermissionRequest][] = [];
    for (const id of operationIds)
      // Whoever opens a portal session needs no key.
      if (permissionOf(id) !== 'open') requests.push([id, await permissionRequests[id].make(world, 'acme')]);
    const before = await world.rows();
    const answers: Record<string, number> = {};
    for (const [id, request] of requests)
      answers[id] = (await send(id, request, await tokenOf('read key'))).status;
    expect(await world.rows()).toEqual(before);
    const done = Object.keys(answers).filter((id) => answers[id]! < 300);
    expect(done.filter((id) => operations[id as OperationId].method !== 'get')).toEqual([]);
    expect(done.length).toBeGreaterThan(10);
  });
});

describe('a list', () => {
  it.each(operationIds.filter((id) => id.startsWith('list')))(
    'as %s shows those of one customer nothing of another',
    async (id) => {
      const permission = permissionOf(id);
      if (permission === 'open') return;
      await Promise.all(['acme', 'other'].map((customerId) => world.delivery(customerId)));
      await world.replay('other', 'running');
      const { params } = await permissionRequests[id].make(world, 'acme');
      for (const [name, visitor] of Object.entries(visitors)) {
        if (cellOf(permission, visitor) !== 'own') continue;
        const { body } = await send(id, { ...(params && { params }) }, await tokenOf(name));
        const owners = body.data.map((item) => (id === 'listCustomers' ? item['id'] : item['customerId']));
        expect(new Set(owners.filter((owner) => owner !== undefined))).not.toContain('other');
      }
    },
  );
});

describe('what is another’s', () => {
  it.each(operationIds.filter((id) => /\{\w+\}/.test(operations[id].path)))(
    'is answered by %s as what is not there',
    async (id) => {
      const permission = permissionOf(id);
      if (permission === 'open') return;
      const theirs = await permissionRequests[id].make(world, 'other');
      for (const [name, visitor] of Object.entries(visitors)) {
        if (cellOf(permission, visitor) !== 'own') continue;
        const token = await tokenOf(name);
        const nowhere = { ...theirs, params: { ...theirs.params, ...pick(theirs.params ?? {}) } };
        const [one, another] = [await send(id, theirs, token), await send(id, nowhere, token)];
        expect({ ...one.body, requestId: '' }).toEqual({ ...another.body, requestId: '' });
      }
    },
  );
});

function pick(params: Record<string, string>): Record<string, string> {
  return Object.fromEntries(Object.keys(params).map((name) => [name, unknownParams[name] ?? 'nowhere']));
}
