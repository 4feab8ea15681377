import { describe, expect, it } from '@jest/globals';
import { laneName, parseLaneName } from './lane-name.js';

describe('a lane’s name', () => {
  it('is customer/endpoint without a colon, and reads back', () => {
    const endpointId = '01890a5d-ac96-774b-bcce-b302099a8057';
    const name = laneName('acme.eu_1-x', endpointId);
    expect(name).toBe('acme.eu_1-x/ep_01h455vb4pex5vsknk084sn02q');
    expect(parseLaneName(name)).toEqual({ customerId: 'acme.eu_1-x', endpointId });
  });

  it.each([
    '',
    'acme',
    '/ep_01h455vb4pex5vsknk084sn02q',
    'acme/',
    'acme/ep_1',
    'acme/evt_01h455vb4pex5vsknk084sn02q',
  ])('is not %j', (name) => expect(parseLaneName(name)).toBeNull());
});
