import { connect as connectTcp, isIP, isIPv6, type LookupFunction, type Socket } from 'node:net';
import { connect as connectTls, createSecureContext, rootCertificates } from 'node:tls';
import type { Logger } from '@posthorn/runtime';
import type { AddressPolicy } from './address-policy.js';
import { ConnectFailure } from './connect-failure.js';
import type { NameResolver } from './name-resolver.js';
import { knownAddresses } from './target-url.js';

export interface ConnectTarget {
  /** Without brackets around an IPv6 address. */
  hostname: string;
  port: number;
  secure: boolean;
}

export interface GuardedConnect {
  /** The addresses a socket may be opened to, every one of them checked. Rejects with `ConnectFailure` only. */
  findAddresses(hostname: string): Promise<readonly string[]>;
  /** Opens a socket to one of these addresses; no name is resolved any more. TLS is always verified. */
  openSocket(target: ConnectTarget, addresses: readonly string[]): OpenedSocket;
}

export interface OpenedSocket {
  readonly socket: Socket;
  /** Since when its certificate may go unseen: before now when a session is resumed. Null without TLS. */
  readonly verifiedMs: number | null;
}

export interface GuardedConnectOptions {
  policy: AddressPolicy;
  resolver: NameResolver;
  /** PEM; trusted beside the built-in ones. */
  certificateAuthorities: readonly string[];
  /** How long after a certificate was verified a connection may resume its session, which shows no certificate. */
  sessionAgeMaxMs: number;
  /** Monotonic. */
  nowMs: () => number;
  logger?: Logger | undefined;
}

export function createGuardedConnect(options: GuardedConnectOptions): GuardedConnect {
  const { policy, resolver, certificateAuthorities, sessionAgeMaxMs, nowMs, logger } = options;
  const sessions = createSessionCache();
  // One context for all sockets: a context per socket costs tens of kilobytes.
  const secureContext = createSecureContext(
    certificateAuthorities.length > 0 ? { ca: [...rootCertificates, ...certificateAuthorities] } : {},
  );

  return {
    findAddresses: async (hostname) => {
      const known = knownAddresses(hostname);
      if (known !== null) {
        const allowed = known.filter((address) => policy.allows(address));
        if (allowed.length === 0) throw refusal();
        return allowed;
      }
      const resolution = await resolver.resolve(hostname);
      if (!resolution.ok) throw new ConnectFailure('failed', resolution.code);
      // A name with one forbidden address is refused as a whole: it is a mistake or an attempt to get past us.
      const forbidden = resolution.addresses.find((address) => !policy.allows(address));
      if (forbidden !== undefined) {
        // For the operator only. Told to customers, it would let them read our internal names.
        logger?.info('target.refused', { hostname, address: forbidden });
        throw refusal();
      }
      return resolution.addresses.slice(0, addressesTriedMax);
    },

    openSocket: ({ hostname, port, secure }, addresses) => {
      const connection = {
        host: hostname,
        port,
        lookup: answerWith(addresses),
        autoSelectFamily: true,
        autoSelectFamilyAttemptTimeout: nextAddressAfterMs,
        noDelay: true,
        keepAlive: true,
        keepAliveInitialDelay: 60_000,
      };
      if (!secure) return { socket: connectTcp(connection), verifiedMs: null };
      const sessionKey = `${hostname}:${port}`;
      const startedMs = nowMs();
      const found = sessions.get(sessionKey);
      const resumed =
        found !== undefined && startedMs < found.verifiedMs + sessionAgeMaxMs ? found : undefined;
      const socket = connectTls({
        ...connection,
        secureContext,
        rejectUnauthorized: true,
        ALPNProtocols: ['http/1.1'],
        ...(isIP(hostname) === 0 ? { servername: hostname.replace(/\.$/, '') } : {}),
        ...(resumed && { session: resumed.ticket }),
      });
      socket.on('session', (ticket: Buffer) => {
        // Otherwise each resumption would pass its trust on to the next, for ever.
        const verifiedMs = resumed !== undefined && socket.isSessionReused() ? resumed.verifiedMs : startedMs;
        sessions.set(sessionKey, { ticket, verifiedMs });
      });
      return { socket, verifiedMs: resumed?.verifiedMs ?? startedMs };
    },
  };
}

const addressesTriedMax = 6;
/** Node's default of 250 ms gives up on healthy addresses far away. */
const nextAddressAfterMs = 500;
const sessionsMax = 1_000;

function refusal(): ConnectFailure {
  return new ConnectFailure('refused', 'target_refused', 'The target is not a public address.');
}

function answerWith(addresses: readonly string[]): LookupFunction {
  const answers = addresses.map((address) => ({ address, family: isIPv6(address) ? 6 : 4 }));
  return (_hostname, _options, callback) => callback(null, answers);
}

interface Session {
  readonly ticket: Buffer;
  readonly verifiedMs: number;
}

/** TLS sessions to resume. Node hands one out only after the certificate was verified for this very name. */
function createSessionCache() {
  const sessions = new Map<string, Session>();
  return {
    get: (key: string) => sessions.get(key),
    set: (key: string, session: Session) => {
      sessions.delete(key);
      sessions.set(key, session);
      const oldest = sessions.size > sessionsMax ? sessions.keys().next().value : undefined;
      if (oldest !== undefined) sessions.delete(oldest);
    },
  };
}
