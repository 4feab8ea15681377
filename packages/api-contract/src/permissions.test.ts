import { describe, expect, it } from '@jest/globals';

import { operationList, operations } from './operations.js';
import { accessBy, leastScope, permissionOf, permissions } from './permissions.js';

describe('the permission table', () => {
  it('has a row for every operation, and none besides', () => {
    expect(Object.keys(permissions).sort()).toEqual(Object.keys(operations).sort());
    for (const [name, { operationId }] of Object.entries(operations)) expect(operationId).toBe(name);
  });

  it('knows no operation that is not there', () => {
    for (const name of ['deleteEverything', 'toString', '__proto__'])
      expect(() => permissionOf(name)).toThrow('no row');
  });

  it('lets admin keys do what any key may, and no restricted key or portal see everyone’s data', () => {
    const catalogue = ['listEventTypes', 'getEventType'];
    for (const [name, row] of Object.entries(permissions)) {
      if (row === 'open') continue;
      if ([row.read, row.deliveriesWrite, row.eventsWrite].includes('all'))
        expect([name, row.admin]).toEqual([name, 'all']);
      if (!catalogue.includes(name)) expect([row.restricted, row.portal]).not.toContain('all');
    }
  });

  it('lets a read key read: nothing that is not a GET is open to it', () => {
    const opened = operationList.filter(({ operationId }) => {
      const row = permissionOf(operationId);
      return row !== 'open' && row.read === 'all';
    });
    expect(opened.length).toBeGreaterThan(10);
    expect(opened.filter(({ method }) => method !== 'get').map(({ operationId }) => operationId)).toEqual([]);
  });

  it('adds up the scopes of a key, and takes the restriction off the sum', () => {
    const row = {
      admin: 'all',
      read: 'all',
      deliveriesWrite: 'no',
      eventsWrite: 'no',
      restricted: 'own',
      portal: 'no',
    } as const;
    expect(accessBy(row, { kind: 'key', scopes: ['events:write', 'read'], customerId: null })).toBe('all');
    expect(accessBy(row, { kind: 'key', scopes: ['events:write', 'read'], customerId: 'acme' })).toBe('own');
    expect(accessBy(row, { kind: 'key', scopes: ['events:write'], customerId: 'acme' })).toBe('no');
    expect(accessBy(row, { kind: 'key', scopes: [], customerId: null })).toBe('no');
    expect(accessBy(row, { kind: 'portal' })).toBe('no');
    expect(leastScope(row)).toBe('read');
  });
});
