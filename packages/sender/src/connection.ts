import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import { type buildConnector, Client } from 'undici';
import type { GuardedConnect } from './guarded-connect.js';
import { ResponseFilter } from './response-filter.js';
import { headBytesMax } from './response-head.js';

export type ConnectionPhase = 'resolving' | 'connecting' | 'securing' | 'open';

export interface ConnectionOptions {
  connect: GuardedConnect;
  keepAliveMs: number;
  /** No exchange starts on a socket that is older: each lasts between three quarters of this and all of it. */
  ageMaxMs: number;
  /** Monotonic. */
  nowMs: () => number;
  random: () => number;
}

/**
 * One keep-alive connection to one origin, for one exchange at a time. It wraps undici's Client (which holds one
 * socket) instead of its Pool, because a Pool can neither say which address served a request, nor close a socket that
 * is still connecting, nor take a waiting request back.
 */
export class Connection {
  readonly client: Client;
  phase: ConnectionPhase = 'resolving';
  /** What the socket is connected to, or first tried. */
  address: string | null = null;
  /** Of the response that is being read. */
  response: ResponseFilter | null = null;
  /** The endpoint requested a client certificate in the handshake, and no response has come since. */
  certificateRequested = false;
  readonly #options: ConnectionOptions;
  #socket: Socket | null = null;
  /** Requests written to this socket, and what had been read from it before the latest. */
  #requests = 0;
  #bytesReadBefore = 0;
  #expiresMs = 0;
  #destroyed = false;

  constructor(
    readonly poolKey: string,
    origin: string,
    options: ConnectionOptions,
    onDisconnect: (connection: Connection) => void,
  ) {
    this.#options = options;
    const { keepAliveMs } = options;
    this.client = new Client(origin, {
      connect: (options, callback) => void this.#open(options, callback),
      pipelining: 1,
      // The exchange's one deadline stands for these two.
      headersTimeout: 0,
      bodyTimeout: 0,
      keepAliveTimeout: keepAliveMs,
      keepAliveMaxTimeout: keepAliveMs * 4,
      maxHeaderSize: 2 * headBytesMax,
    });
    this.client.on('disconnect', () => onDisconnect(this));
    // undici reports a broken assumption of its own this way; unheard, it would end the process.
    (this.client as NodeJS.EventEmitter).on('error', () => onDisconnect(this));
  }

  /** Whether another exchange may start on it. */
  get isUsable(): boolean {
    return (
      !this.#destroyed &&
      this.#socket !== null &&
      !this.#socket.destroyed &&
      this.#options.nowMs() < this.#expiresMs
    );
  }

  /** The exchange's request is being written. */
  onRequestStart(): void {
    this.#requests++;
    this.#bytesReadBefore = this.#socket?.bytesRead ?? 0;
    this.response?.expectResponse();
  }

  /**
   * Whether this error says no more than that the endpoint had given up a connection on which it had answered before:
   * it was closed, and nothing of an answer to this request has come (RFC 9112 section 9.3.1).
   */
  wasStale(error: Error, requestStarted: boolean): boolean {
    if (!closedCodes.has(String((error as NodeJS.ErrnoException).code))) return false;
    const answered = this.#socket !== null && this.#socket.bytesRead > this.#bytesReadBefore;
    return requestStarted ? this.#requests > 1 && !answered : this.#requests > 0;
  }

  /** The response came before the whole request was read: a next one could wait behind the rest of it for ever. */
  get hasUnsentBytes(): boolean {
    return (this.#socket?.writableLength ?? 0) > 0;
  }

  /** Closes the socket in whatever state it is. Comes back when it is closed. */
  destroy(): Promise<void> {
    this.#destroyed = true;
    const closed = this.client.destroy();
    this.#socket?.destroy();
    return closed;
  }

  /** undici calls it for the first request, and again when the socket died before the next one was written. */
  async #open(options: buildConnector.Options, callback: buildConnector.Callback): Promise<void> {
    let socket: Socket | null;
    try {
      socket = await this.#openSocket(options);
    } catch (error) {
      callback(error as Error, null);
      return;
    }
    if (socket === null) return;
    const opened = socket;
    const secure = options.protocol === 'https:';
    let report: buildConnector.Callback | null = callback;
    opened.on('connect', () => {
      this.address = opened.remoteAddress ?? this.address;
      if (secure) this.phase = 'securing';
    });
    opened.once(secure ? 'secureConnect' : 'connect', () => {
      this.phase = 'open';
      this.certificateRequested = requestsCertificate(opened);
      report?.(null, opened);
      report = null;
    });
    opened.on('error', (error) => {
      this.certificateRequested ||= this.phase === 'securing' && requestsCertificate(opened);
      report?.(error, null);
      report = null;
    });
  }

  /** Null when the exchange gave up while the name was being resolved. */
  async #openSocket({ hostname, protocol, port }: buildConnector.Options): Promise<Socket | null> {
    this.phase = 'resolving';
    this.#requests = 0;
    this.certificateRequested = false;
    const { connect, ageMaxMs, nowMs, random } = this.#options;
    // Not all at one age, or the sockets that a burst opened would all be replaced in one moment.
    const ageMs = ageMaxMs * (1 - random() / 4);
    this.#expiresMs = nowMs() + ageMs;
    const addresses = await connect.findAddresses(hostname);
    if (this.#destroyed) return null;
    this.phase = 'connecting';
    this.address = addresses[0] ?? null;
    const secure = protocol === 'https:';
    const opened = connect.openSocket(
      { hostname, port: Number(port) || (secure ? 443 : 80), secure },
      addresses,
    );
    this.#socket = opened.socket;
    if (opened.verifiedMs !== null) this.#expiresMs = Math.min(this.#expiresMs, opened.verifiedMs + ageMs);
    this.response = new ResponseFilter(this.#socket);
    return this.#socket;
  }
}

/** On the client's side these are what the server sends with its request for a certificate, and nothing without one. */
function requestsCertificate(socket: Socket): boolean {
  if (!(socket instanceof TLSSocket)) return false;
  // Null once the socket is gone.
  const algorithms = socket.getSharedSigalgs() as string[] | null;
  return algorithms !== null && algorithms.length > 0;
}

/** Not `ETIMEDOUT`: who does not answer is not asked twice. The last is undici's word for an end of the stream. */
const closedCodes: ReadonlySet<string> = new Set(['ECONNRESET', 'EPIPE', 'ECONNABORTED', 'UND_ERR_SOCKET']);
