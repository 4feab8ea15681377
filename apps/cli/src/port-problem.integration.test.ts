import { createServer, type AddressInfo } from 'node:net';
import { describe, expect, it } from '@jest/globals';

import { portProblem } from './port-problem.js';

describe('Looking at a port', () => {
  it('finds a taken one, and a host that is not ours, and leaves a free one free', async () => {
    const taken = createServer();
    await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve));
    const { port } = taken.address() as AddressInfo;
    expect(await portProblem({ host: '127.0.0.1', port })).toMatch(
      new RegExp(`^Port ${port} is in use: .*POSTHORN_PORT`),
    );
    expect(await portProblem({ host: '192.0.2.1', port: 0 })).toMatch(/^POSTHORN_HOST must be/);
    expect(await portProblem({ host: '127.0.0.1', port: 0 })).toBeNull();
    taken.close();
  });
});
