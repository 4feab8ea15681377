import { describe, expect, it } from '@jest/globals';
import { isEventFilter, matchesEventType } from './event-filter.js';

describe('isEventFilter', () => {
  it.each(['*', 'charge.failed', 'charge.*', 'a.b.c.*'])('takes %s', (text) => {
    expect(isEventFilter(text)).toBe(true);
  });

  it.each([
    '',
    '**',
    '.*',
    '*.failed',
    'charge.*.failed',
    'charge*',
    'charge.',
    'charge..*',
    '*.*',
    `${'a'.repeat(127)}.*`,
  ])('refuses %j', (text) => {
    expect(isEventFilter(text)).toBe(false);
  });
});

describe('matchesEventType', () => {
  it.each([
    ['*', 'charge.failed'],
    ['*', 'charge'],
    ['charge.failed', 'charge.failed'],
    ['charge.*', 'charge.failed'],
    ['charge.*', 'charge.dispute.opened'],
    ['charge.dispute.*', 'charge.dispute.opened'],
  ])('lets %s take %s', (filter, type) => {
    expect(matchesEventType([filter], type)).toBe(true);
  });

  it.each([
    ['charge.*', 'charge'],
    ['charge.*', 'charges.failed'],
    ['charge.*', 'recharge.failed'],
    ['charge.failed', 'charge.failed.again'],
    ['charge.failed', 'charge'],
    ['charge.failed', 'Charge.failed'],
    ['charge.dispute.*', 'charge.failed'],
  ])('keeps %s from taking %s', (filter, type) => {
    expect(matchesEventType([filter], type)).toBe(false);
  });

  it('needs one filter of several to match, and matches nothing without filters', () => {
    expect(matchesEventType(['invoice.paid', 'charge.*'], 'charge.failed')).toBe(true);
    expect(matchesEventType([], 'charge.failed')).toBe(false);
  });
});
