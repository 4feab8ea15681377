import type { Logger } from '@posthorn/runtime';
import ipaddr from 'ipaddr.js';
import { LRUCache } from 'lru-cache';

import { AppError } from '../app-error.js';
import type { WindowCounter } from './window-counter.js';

/** Keeps those from guessing on who guessed wrong too often. */
export interface FailedAttempts {
  /** Throws `rate_limited` when too many attempts from this address failed of late. */
  refuse(address: string | undefined): void;
  /** One more failed. */
  note(address: string | undefined): void;
}

export interface FailedAttemptsDeps {
  counter: WindowCounter;
  /** In a minute, of an IPv4 address or an IPv6 network of 64 bits; 0: no limit. */
  maxPerMinute: number;
  logger: Logger;
}

/**
 * Counts for all processes together. Each process refuses an address from when it hears of the count, which is with the
 * first failure there past the limit; until then an attempt waits for nothing. Without a counter nobody is refused.
 */
export function createFailedAttempts({ counter, maxPerMinute, logger }: FailedAttemptsDeps): FailedAttempts {
  const refusedUntilMs = new LRUCache<string, number>({ max: addressesMax });

  const count = async (group: string): Promise<void> => {
    const { total, msLeft } = await counter.add(`failed:${group}`, 1, windowSeconds);
    if (total < maxPerMinute) return;
    const isNew = (refusedUntilMs.get(group) ?? 0) <= performance.now();
    refusedUntilMs.set(group, performance.now() + msLeft);
    if (isNew) logger.warn('auth.address_limited', { address: group, failures: total });
  };

  return {
    refuse(address) {
      if (maxPerMinute === 0 || refusedUntilMs.size === 0) return;
      const leftMs = (refusedUntilMs.get(groupOf(address)) ?? 0) - performance.now();
      if (leftMs <= 0) return;
      throw new AppError({
        code: 'rate_limited',
        detail:
          'Too many attempts from this address failed; wait for the seconds in Retry-After, and check the API key.',
        headers: { 'Retry-After': String(Math.ceil(leftMs / 1_000)) },
      });
    },

    note(address) {
      if (maxPerMinute === 0) return;
      // While Redis is away nobody is refused: those with a key must get through.
      count(groupOf(address)).catch(() => undefined);
    },
  };
}

/** Whoever has one address of an IPv6 network has 2^64 of them. */
function groupOf(address = ''): string {
  if (!ipaddr.isValid(address)) return 'unknown';
  const parsed = ipaddr.process(address);
  if (parsed instanceof ipaddr.IPv4) return parsed.toString();
  return `${parsed.parts
    .slice(0, 4)
    .map((part) => part.toString(16))
    .join(':')}::/64`;
}

const windowSeconds = 60;
const addressesMax = 10_000;
