import { Connection, type ConnectionOptions } from './connection.js';

/** Someone in line for a connection. Called at most once, unless it said in the meantime that it gave up. */
export interface ConnectionWaiter {
  readonly gaveUp: boolean;
  onConnection(connection: Connection): void;
}

export interface ConnectionRequest {
  /** Requests with different keys never wait for each other. */
  poolKey: string;
  origin: string;
  maxConnections: number;
}

export interface ConnectionPools {
  /** An idle or a new connection; null when all are busy: then the waiter is called in its turn. */
  take(request: ConnectionRequest, waiter: ConnectionWaiter): Connection | null;
  /** The exchange ended well: the connection may serve another. */
  release(connection: Connection): void;
  /** The exchange was broken off: the connection is closed. */
  discard(connection: Connection): void;
  /** A new connection for the exchange that found this one stale; null when the pools are closed. */
  replace(stale: Connection): Connection | null;
  counts(): { open: number; idle: number };
  /** Comes back when the sockets that were still in the pools are closed. */
  close(): Promise<void>;
}

export interface ConnectionPoolsOptions extends ConnectionOptions {
  /** Idle sockets over all pools; above it the one idle for longest is closed. */
  idleConnectionsMax: number;
}

/** Keep-alive connections by pool key and origin. A pool exists only as long as it has a connection. */
export function createConnectionPools(options: ConnectionPoolsOptions): ConnectionPools {
  const pools = new Map<string, Pool>();
  const idle = new Set<Connection>();

  const open = (pool: Pool): Connection => {
    const connection = new Connection(pool.key, pool.origin, options, onDisconnect);
    pool.open.add(connection);
    return connection;
  };
  const discard = (connection: Connection) => {
    const pool = pools.get(connection.poolKey);
    void connection.destroy();
    removeIdle(connection, pool);
    if (pool?.open.delete(connection) !== true) return;
    const next = nextWaiter(pool);
    if (next !== undefined) next.onConnection(open(pool));
    else if (pool.open.size === 0) pools.delete(pool.key);
  };
  const removeIdle = (connection: Connection, pool: Pool | undefined) => {
    if (idle.delete(connection)) pool?.idle.splice(pool.idle.indexOf(connection), 1);
  };
  // A busy connection is its exchange's to discard: undici may also quietly reconnect it before anything was written.
  const onDisconnect = (connection: Connection) => {
    if (idle.has(connection)) discard(connection);
  };
  const handOver = (connection: Connection, waiter: ConnectionWaiter, pool: Pool) => {
    if (connection.isUsable) {
      waiter.onConnection(connection);
    } else {
      void connection.destroy();
      pool.open.delete(connection);
      waiter.onConnection(open(pool));
    }
  };

  return {
    take: ({ poolKey, origin, maxConnections }, waiter) => {
      const key = `${poolKey} ${origin}`;
      let pool = pools.get(key);
      if (pool === undefined) pools.set(key, (pool = createPool(key, origin)));
      for (let connection = pool.idle.pop(); connection !== undefined; connection = pool.idle.pop()) {
        idle.delete(connection);
        if (connection.isUsable) return connection;
        void connection.destroy();
        pool.open.delete(connection);
      }
      if (pool.open.size < maxConnections) return open(pool);
      pool.waiting.push(waiter);
      return null;
    },
    release: (connection) => {
      const pool = pools.get(connection.poolKey);
      if (pool?.open.has(connection) !== true) {
        void connection.destroy();
        return;
      }
      const next = nextWaiter(pool);
      if (next !== undefined) {
        // Only after this turn does undici know whether the other side keeps the socket open.
        queueMicrotask(() => handOver(connection, next, pool));
        return;
      }
      pool.idle.push(connection);
      idle.add(connection);
      const oldest = idle.size > options.idleConnectionsMax ? idle.values().next().value : undefined;
      if (oldest !== undefined) discard(oldest);
    },
    discard,
    replace: (stale) => {
      const pool = pools.get(stale.poolKey);
      void stale.destroy();
      if (pool?.open.delete(stale) !== true) return null;
      // The idle one used last is taken first: these have been idle for longer, so they are stale as well.
      for (const connection of pool.idle.splice(0)) {
        idle.delete(connection);
        pool.open.delete(connection);
        void connection.destroy();
      }
      return open(pool);
    },
    counts: () => {
      let openCount = 0;
      for (const pool of pools.values()) openCount += pool.open.size;
      return { open: openCount, idle: idle.size };
    },
    close: async () => {
      const connections = [...pools.values()].flatMap((pool) => [...pool.open]);
      pools.clear();
      idle.clear();
      await Promise.all(connections.map((connection) => connection.destroy()));
    },
  };
}

interface Pool {
  readonly key: string;
  readonly origin: string;
  readonly open: Set<Connection>;
  readonly idle: Connection[];
  readonly waiting: ConnectionWaiter[];
}

function createPool(key: string, origin: string): Pool {
  return { key, origin, open: new Set(), idle: [], waiting: [] };
}

function nextWaiter(pool: Pool): ConnectionWaiter | undefined {
  let waiter = pool.waiting.shift();
  while (waiter?.gaveUp === true) waiter = pool.waiting.shift();
  return waiter;
}
