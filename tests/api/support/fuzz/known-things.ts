import { createUuidV7, encodeId } from '@posthorn/domain';

/** What the server has told of, to ask for again: ids by prefix, customers, cursors, tokens. */
export interface KnownThings {
  learn(body: unknown): void;
  /** What it knew is gone. */
  forget(): void;
  /** The newest ids with this prefix, and one that nobody has. */
  ids(prefix: string): string[];
  customers(): string[];
  cursors(): string[];
  linkTokens(): string[];
  sessionTokens(): string[];
}

const keptMax = 12;

/** `hidden` are never told: what the run itself could not go on without. */
export function createKnownThings(hidden: readonly string[]): KnownThings {
  const byKind = new Map<string, string[]>();
  const keep = (kind: string, value: string): void => {
    const kept = byKind.get(kind) ?? [];
    if (hidden.includes(value) || kept.includes(value)) return;
    byKind.set(kind, [...kept, value].slice(-keptMax));
  };
  const kept = (kind: string) => byKind.get(kind) ?? [];

  const learn = (value: unknown, name = ''): void => {
    if (typeof value === 'string') {
      const prefix = /^([a-z]{2,3})_[0-7][0-9a-hjkmnp-tv-z]{25}$/.exec(value)?.[1];
      const token = /(phl|phs)_[\w-]{43}$/.exec(value);
      if (prefix !== undefined) keep(prefix, value);
      else if (token) keep(token[1] ?? '', token[0]);
      else if (name === 'customerId') keep('customer', value);
      else if (name === 'nextCursor') keep('cursor', value);
    } else if (Array.isArray(value)) {
      value.slice(0, keptMax).forEach((item) => learn(item));
    } else if (typeof value === 'object' && value !== null) {
      for (const [member, part] of Object.entries(value)) learn(part, member);
    }
  };
  return {
    learn: (body) => learn(body),
    forget: () => byKind.clear(),
    ids: (prefix) => [...kept(prefix), encodeId(prefix, createUuidV7(Date.now()))],
    customers: () => [...kept('customer'), 'acme', 'other', 'nobody', 'posthorn'],
    cursors: () => kept('cursor'),
    linkTokens: () => kept('phl'),
    sessionTokens: () => kept('phs'),
  };
}
