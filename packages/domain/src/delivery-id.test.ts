import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { deliveryIdOf } from './delivery-id.js';
import { createUuidV7, uuidTimeMs } from './ids.js';

const eventId = '01890a5d-ac96-774b-bcce-b302099a8057';
const endpointId = '01890a5d-ac96-774b-bcce-b302099a8058';

describe('deliveryIdOf', () => {
  it.each([
    [eventId, endpointId, '01890a5d-ac96-7ce0-8dbd-c39aab667a33'],
    [
      '019a0000-0000-7000-8000-000000000000',
      '019affff-ffff-7fff-bfff-ffffffffffff',
      '019a0000-0000-7707-9004-c3923d3bcd1d',
    ],
  ])('follows the rule that the schema checks: %s to %s', (event, endpoint, delivery) => {
    expect(deliveryIdOf(event, endpoint)).toBe(delivery);
  });

  it('is a version 7 uuid with the time of its event', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 2 ** 48 - 1 }), fc.uuid(), (ms, endpoint) => {
        const id = deliveryIdOf(createUuidV7(ms), endpoint);
        expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
        expect(uuidTimeMs(id)).toBe(ms);
      }),
    );
  });

  it('is the same for a pair every time, and another for every other pair', () => {
    expect(deliveryIdOf(eventId, endpointId)).toBe(deliveryIdOf(eventId, endpointId));
    expect(deliveryIdOf(eventId, endpointId)).not.toBe(deliveryIdOf(endpointId, eventId));
    expect(deliveryIdOf(eventId, endpointId)).not.toBe(deliveryIdOf(eventId, eventId));
  });

  it('takes canonical uuids only', () => {
    expect(() => deliveryIdOf(eventId, 'ep_01h455vb4pex5vsknk084sn02q')).toThrow(TypeError);
  });
});
