import { createServer } from 'node:net';

export interface Address {
  host: string;
  port: number;
}

/** Why nothing can listen there, in words that say what to do, or null. Asked before anything is started. */
export function portProblem({ host, port }: Address): Promise<string | null> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', (error) => resolve(listenProblem(error, { host, port })));
    server.listen(port, host, () => server.close(() => resolve(null)));
  });
}

export function listenProblem(error: Error, { host, port }: Address): string {
  switch ((error as NodeJS.ErrnoException).code) {
    case 'EADDRINUSE':
      return `Port ${port} is in use: stop what listens there, or choose another port with POSTHORN_PORT (0 chooses a free one).`;
    case 'EACCES':
      return `Port ${port} needs privileges this user does not have: choose one above 1023 with POSTHORN_PORT.`;
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return `POSTHORN_HOST must be an address of this machine, such as 127.0.0.1 or 0.0.0.0; it is ${host}.`;
    default:
      return `Cannot listen on ${host}:${port}: ${error.message}.`;
  }
}
