import { describe, expect, it } from '@jest/globals';
import { fanOut, openingStatus } from './fan-out.js';

describe('fanOut', () => {
  const endpoints = [
    { id: 1, status: 'enabled', eventTypes: ['charge.*'] },
    { id: 2, status: 'paused', eventTypes: ['charge.failed'] },
    { id: 3, status: 'disabled', eventTypes: ['*'] },
    { id: 4, status: 'enabled', eventTypes: ['invoice.paid'] },
    { id: 5, status: 'enabled', eventTypes: ['charge.failed', 'charge.*', '*'] },
  ] as const;

  it('gives a delivery to each matching endpoint once, paused and disabled ones included', () => {
    expect(fanOut(endpoints, 'charge.failed').map(({ id }) => id)).toEqual([1, 2, 3, 5]);
  });

  it('gives none to an endpoint whose filters do not match', () => {
    expect(fanOut(endpoints.slice(0, 2), 'invoice.paid')).toEqual([]);
  });
});

describe('openingStatus', () => {
  it('holds deliveries for endpoints that take none now', () => {
    expect(openingStatus({ status: 'enabled' })).toBe('pending');
    expect(openingStatus({ status: 'paused' })).toBe('held');
    expect(openingStatus({ status: 'disabled' })).toBe('held');
  });
});
