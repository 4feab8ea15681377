import { setTimeout as pause } from 'node:timers/promises';
import { findFreePort } from './free-port.js';
import type { ServerProcess } from './server-process.js';

/**
 * Starts a server on the wanted port, or on a free one; tries again when somebody else took the free port first, and
 * when the last parts of a killed Postgres are still letting go of its data.
 */
export async function startOnFreePort(
  wanted: number | undefined,
  start: (port: number) => Promise<ServerProcess>,
): Promise<{ server: ServerProcess; port: number }> {
  for (let tries = 1; ; tries += 1) {
    const port = wanted ?? (await findFreePort());
    try {
      return { server: await start(port), port };
    } catch (error) {
      const said = String(error);
      const lostPort = wanted === undefined && /address already in use/i.test(said);
      const dying = /pre-existing shared memory block/.test(said);
      if (tries === 20 || !(lostPort || dying)) throw error;
      await pause(250);
    }
  }
}
