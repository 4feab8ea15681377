import { describe, expect, it } from '@jest/globals';
import { canTransition, deliveryStatuses, isFinished } from './delivery.js';

const finished = deliveryStatuses.filter(isFinished);
const unfinished = deliveryStatuses.filter((status) => !isFinished(status));

describe('delivery transitions', () => {
  it('finish as delivered, dead-lettered or cancelled', () => {
    expect(finished).toEqual(['delivered', 'dead_lettered', 'cancelled']);
  });

  it('let every unfinished delivery reach every end', () => {
    for (const from of unfinished) for (const to of finished) expect(canTransition(from, to)).toBe(true);
  });

  it('turn no end into another, but for a success that was on its way', () => {
    for (const from of finished) {
      for (const to of finished)
        expect(canTransition(from, to)).toBe(to === 'delivered' && from !== 'delivered');
    }
  });

  it('let a replay open every finished delivery, or hold it', () => {
    for (const from of finished) for (const to of unfinished) expect(canTransition(from, to)).toBe(true);
  });

  it('lead from held to pending and back', () => {
    expect(canTransition('pending', 'held')).toBe(true);
    expect(canTransition('held', 'pending')).toBe(true);
  });

  it('are changes: staying is none', () => {
    for (const status of deliveryStatuses) expect(canTransition(status, status)).toBe(false);
  });
});
