import { describe, expect, it } from '@jest/globals';
import { deliveryStatuses, isFinished } from './delivery.js';

describe('isFinished', () => {
  it('is true of what is delivered, dead-lettered or cancelled', () => {
    expect(deliveryStatuses.filter(isFinished)).toEqual(['delivered', 'dead_lettered', 'cancelled']);
  });
});
