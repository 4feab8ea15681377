import { Resolver } from 'node:dns/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import type { AttemptErrorCode } from '@posthorn/domain';

export type Resolution =
  | { readonly ok: true; readonly addresses: readonly string[] }
  | { readonly ok: false; readonly code: DnsErrorCode };

export type DnsErrorCode = Extract<AttemptErrorCode, `dns_${string}`>;

export interface NameResolver {
  /** All addresses of a name, IPv4 first. Never rejects. */
  resolve(name: string): Promise<Resolution>;
  close(): void;
}

export interface NameResolverOptions {
  /** `ip` or `ip:port`; the system's name servers unless given. */
  servers: readonly string[];
  timeoutMs: number;
  tries: number;
}

/**
 * Resolves by c-ares, never by getaddrinfo: four names that hang there stall every look-up of the process. Hosts
 * files and search domains are therefore not consulted. Look-ups of one name share one query; answers are kept for
 * their TTL, at most 30 s, and failures not at all. Time-outs that come together are given back one after another.
 */
export function createNameResolver({ servers, timeoutMs, tries }: NameResolverOptions): NameResolver {
  const resolver = new Resolver({ timeout: timeoutMs, tries });
  if (servers.length > 0) resolver.setServers(servers);
  const pending = new Map<string, Promise<Resolution>>();
  const kept = new Map<string, { resolution: Resolution; untilMs: number }>();

  // Node looks for look-ups that have timed out once a second, and those it finds end in one turn of the event loop. A name
  // server that is gone would end a thousand sends at once, and all other deliveries would wait for that.
  let lastEndMs = 0;
  const turnToEnd = async (): Promise<void> => {
    const nowMs = performance.now();
    lastEndMs = Math.max(nowMs, lastEndMs + timeoutGapMs);
    if (lastEndMs > nowMs) await sleep(lastEndMs - nowMs, undefined, { ref: false });
  };

  const lookUp = async (name: string): Promise<Resolution> => {
    const [ipv4, ipv6] = await bothFamilies(
      askFor(() => resolver.resolve4(name, { ttl: true })),
      askFor(() => resolver.resolve6(name, { ttl: true })),
    );
    const records = [...ipv4.records, ...ipv6.records];
    if (records.length === 0) {
      const failure = failureOf([ipv4.errorCode, ipv6.errorCode]);
      if (failure.code === 'dns_timeout') await turnToEnd();
      return failure;
    }
    const resolution: Resolution = { ok: true, addresses: records.map((record) => record.address) };
    const ttlSeconds = Math.min(ttlSecondsMax, ...records.map((record) => record.ttl));
    if (ttlSeconds > 0) keep(name, resolution, performance.now() + ttlSeconds * 1000);
    return resolution;
  };
  const keep = (name: string, resolution: Resolution, untilMs: number) => {
    kept.delete(name);
    kept.set(name, { resolution, untilMs });
    const oldest = kept.size > keptMax ? kept.keys().next().value : undefined;
    if (oldest !== undefined) kept.delete(oldest);
  };

  return {
    resolve: (name) => {
      const found = kept.get(name);
      if (found !== undefined && found.untilMs > performance.now()) return Promise.resolve(found.resolution);
      const running = pending.get(name);
      if (running !== undefined) return running;
      const lookup = lookUp(name).finally(() => pending.delete(name));
      pending.set(name, lookup);
      return lookup;
    },
    close: () => {
      resolver.cancel();
      kept.clear();
    },
  };
}

const ttlSecondsMax = 30;
const keptMax = 10_000;
/** Time-outs are given back so far apart: half as many in a second as sends that hang are begun. */
const timeoutGapMs = 4;
/** How long an answer in one family waits for the other: some name servers never answer for IPv6. */
const otherFamilyGraceMs = 300;

interface FamilyAnswer {
  readonly records: readonly { address: string; ttl: number }[];
  /** c-ares's, where there are no records. */
  readonly errorCode: string | null;
}

async function askFor(query: () => Promise<{ address: string; ttl: number }[]>): Promise<FamilyAnswer> {
  try {
    return { records: await query(), errorCode: null };
  } catch (error) {
    const { code = 'EUNKNOWN' } = error as NodeJS.ErrnoException;
    return { records: [], errorCode: code };
  }
}

/** Waits for both, but once one has addresses the other only gets the grace. What comes later is not used. */
async function bothFamilies(
  ipv4: Promise<FamilyAnswer>,
  ipv6: Promise<FamilyAnswer>,
): Promise<[FamilyAnswer, FamilyAnswer]> {
  const first = await Promise.race([ipv4, ipv6]);
  if (first.records.length === 0) return Promise.all([ipv4, ipv6]);
  let timer: NodeJS.Timeout | undefined;
  const grace = new Promise<FamilyAnswer>((resolve) => {
    timer = setTimeout(resolve, otherFamilyGraceMs, { records: [], errorCode: null });
  });
  try {
    return await Promise.all([Promise.race([ipv4, grace]), Promise.race([ipv6, grace])]);
  } finally {
    clearTimeout(timer);
  }
}

/** A question without an answer says more than a name without addresses of one family. */
function failureOf(errorCodes: readonly (string | null)[]): Resolution & { ok: false } {
  const codes = errorCodes.filter((code) => code !== null);
  const errorCode =
    codes.find((code) => code !== 'ENODATA' && code !== 'ENOTFOUND') ??
    (codes.includes('ENODATA') ? 'ENODATA' : 'ENOTFOUND');
  return { ok: false, code: failureCodes[errorCode] ?? 'dns_failed' };
}

/** c-ares's codes. */
const failureCodes: Readonly<Record<string, DnsErrorCode>> = {
  ENOTFOUND: 'dns_not_found',
  ENODATA: 'dns_no_address',
  EBADNAME: 'dns_invalid_name',
  ESERVFAIL: 'dns_server_failure',
  EREFUSED: 'dns_query_refused',
  ENOTIMP: 'dns_query_refused',
  EFORMERR: 'dns_invalid_answer',
  EBADRESP: 'dns_invalid_answer',
  ECONNREFUSED: 'dns_unreachable',
  ETIMEOUT: 'dns_timeout',
};
