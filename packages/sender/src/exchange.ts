import { type AttemptError, attemptError, type AttemptOutcome } from '@posthorn/domain';
import type { Dispatcher } from 'undici';
import type { Connection } from './connection.js';
import type { ConnectionPools, ConnectionRequest, ConnectionWaiter } from './connection-pools.js';
import { describeFailure, describeStatusCode } from './describe-failure.js';
import { ResponseExcerpt } from './response-excerpt.js';
import { decodeHeaderValue, headFieldsMax } from './response-head.js';

export interface ExchangeRequest extends ConnectionRequest {
  path: string;
  headers: string[];
  body: string | Buffer;
  timeoutMs: number;
  signal: AbortSignal | undefined;
}

export interface ExchangeDeps {
  pools: ConnectionPools;
  responseBytesKept: number;
}

/**
 * One request and its response under one deadline. It settles once; everything that arrives later is ignored. Every
 * end but a response read to its end closes the connection.
 */
export class Exchange implements Dispatcher.DispatchHandler, ConnectionWaiter {
  readonly #request: ExchangeRequest;
  readonly #pools: ConnectionPools;
  readonly #excerpt: ResponseExcerpt;
  readonly #startedAt = new Date();
  readonly #startedMs = performance.now();
  #deadline: NodeJS.Timeout | undefined;
  #resolve: ((outcome: AttemptOutcome) => void) | null = null;
  #connection: Connection | null = null;
  #requestWritten = false;
  #resent = false;
  #statusCode: number | null = null;
  #headers: Readonly<Record<string, string>> | null = null;

  constructor(request: ExchangeRequest, { pools, responseBytesKept }: ExchangeDeps) {
    this.#request = request;
    this.#pools = pools;
    this.#excerpt = new ResponseExcerpt(responseBytesKept);
  }

  /** To be called once. */
  run(): Promise<AttemptOutcome> {
    const outcome = new Promise<AttemptOutcome>((resolve) => (this.#resolve = resolve));
    const { signal, timeoutMs } = this.#request;
    if (signal?.aborted === true) {
      this.abort();
      return outcome;
    }
    signal?.addEventListener('abort', this.abort);
    this.#deadline = setTimeout(() => this.#onDeadline(), timeoutMs);
    const connection = this.#pools.take(this.#request, this);
    if (connection !== null) this.#sendOn(connection);
    return outcome;
  }

  get gaveUp(): boolean {
    return this.#resolve === null;
  }

  readonly abort = (): void => {
    this.#settle('aborted', attemptError('aborted', 'Posthorn stopped this attempt.'));
  };

  onConnection(connection: Connection): void {
    if (this.gaveUp) this.#pools.release(connection);
    else this.#sendOn(connection);
  }

  onRequestStart(): void {
    this.#requestWritten = true;
    this.#connection?.onRequestStart();
  }

  onResponseStart(
    _controller: Dispatcher.DispatchController,
    statusCode: number,
    headers: Readonly<Record<string, string | string[] | undefined>>,
  ): void {
    if (statusCode < 200) return;
    const connection = this.#connection;
    if (connection !== null) connection.certificateRequested = false;
    if (!this.#readUnusualHead()) {
      this.#statusCode = statusCode;
      this.#headers = joinHeaders(headers);
    }
    if (connection?.response?.headCut === true) {
      this.#excerpt.truncated = true;
      this.#settleByStatusCode('discard');
      return;
    }
    // The message ends here whatever its headers announce (RFC 9112 section 6.3); undici would wait for that body.
    if (bodyless.has(statusCode) && announcesBody(headers)) this.#settleByStatusCode('discard');
  }

  onResponseData(_controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (!this.gaveUp && !this.#excerpt.add(chunk)) this.#settleByStatusCode('discard');
  }

  onResponseEnd(): void {
    this.#settleByStatusCode(this.#connection?.hasUnsentBytes === true ? 'discard' : 'release');
  }

  onResponseError(_controller: Dispatcher.DispatchController | undefined, error: Error): void {
    const fresh = this.#replaceStale(error);
    if (fresh !== null) {
      this.#sendOn(fresh);
      return;
    }
    if (this.#statusCode === null) this.#readUnusualHead();
    const failure = describeFailure(error, {
      phase: this.#connection?.phase ?? 'resolving',
      statusCode: this.#statusCode,
      certificateRequested: this.#connection?.certificateRequested ?? false,
    });
    this.#settle(failure.status, failure.error);
  }

  /** False when undici reads the head itself. */
  #readUnusualHead(): boolean {
    const head = this.#connection?.response?.unusualHead ?? null;
    if (head === null) return false;
    this.#statusCode = head.statusCode;
    this.#headers = head.headers;
    return true;
  }

  #sendOn(connection: Connection): void {
    this.#connection = connection;
    const { path, headers, body } = this.#request;
    connection.client.dispatch({ method: 'POST', path, headers, body }, this);
  }

  /**
   * A connection that the endpoint closed while it was idle costs no attempt: the same request goes out over a new one,
   * once. Not after the end, by a signal above all: the lock under which it may send is gone then.
   */
  #replaceStale(error: Error): Connection | null {
    const connection = this.#connection;
    if (this.gaveUp || this.#resent || connection?.wasStale(error, this.#requestWritten) !== true)
      return null;
    if (performance.now() - this.#startedMs >= this.#request.timeoutMs) return null;
    const fresh = this.#pools.replace(connection);
    if (fresh === null) return null;
    this.#resent = this.#requestWritten;
    this.#requestWritten = false;
    return fresh;
  }

  #onDeadline(): void {
    const message = `The exchange took longer than ${this.#request.timeoutMs} ms; ${this.#describeProgress()}.`;
    this.#settle('timeout', attemptError('timeout', message));
  }

  #describeProgress(): string {
    if (this.#connection === null) return 'it was waiting for a free connection';
    if (this.#statusCode !== null) return 'the response body was not complete';
    if (this.#requestWritten) return 'there was no response';
    switch (this.#connection.phase) {
      case 'resolving':
        return 'the host name was not resolved';
      case 'connecting':
        return 'the endpoint did not accept the connection';
      case 'securing':
        return 'the TLS handshake was not complete';
      case 'open':
        return 'the request was not sent';
    }
  }

  #settleByStatusCode(connectionIs: 'release' | 'discard'): void {
    const code = this.#statusCode ?? 0;
    if (code >= 200 && code < 300) this.#settle('delivered', null, connectionIs);
    else this.#settle('failed', describeStatusCode(code), connectionIs);
  }

  #settle(
    status: AttemptOutcome['status'],
    error: AttemptError | null,
    connectionIs: 'release' | 'discard' = 'discard',
  ): void {
    const resolve = this.#resolve;
    if (resolve === null) return;
    this.#resolve = null;
    clearTimeout(this.#deadline);
    this.#request.signal?.removeEventListener('abort', this.abort);
    const connection = this.#connection;
    resolve({
      status,
      error,
      responseCode: this.#statusCode,
      responseHeaders: this.#headers,
      responseBody: this.#excerpt.toBuffer(),
      responseTruncated: this.#excerpt.truncated,
      address: connection?.address ?? null,
      resent: this.#resent,
      latencyMs: Math.round(performance.now() - this.#startedMs),
      startedAt: this.#startedAt,
    });
    if (connection !== null) this.#pools[connectionIs](connection);
  }
}

const bodyless: ReadonlySet<number> = new Set([204, 304]);

function announcesBody(headers: Readonly<Record<string, unknown>>): boolean {
  return headers['transfer-encoding'] !== undefined || (headers['content-length'] ?? '0') !== '0';
}

/** undici has lower-cased the names, and the size is bounded; only the number is left to bound. */
function joinHeaders(
  headers: Readonly<Record<string, string | string[] | undefined>>,
): Record<string, string> {
  const joined: Record<string, string> = {};
  for (const name of Object.keys(headers).slice(0, headFieldsMax)) {
    const value = headers[name];
    joined[name] = decodeHeaderValue(Array.isArray(value) ? value.join(', ') : (value ?? ''));
  }
  return joined;
}
