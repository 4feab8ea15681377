import { beforeEach, describe, expect, it } from '@jest/globals';
import type { ApiKey } from '@posthorn/database';
import { createLogger } from '@posthorn/runtime';

import { type ApiKeyDirectory, createApiKeyDirectory } from './api-key-directory.js';
import { hashToken } from './token-hash.js';

const logger = createLogger({ level: 'silent', role: 'test' });
const down = Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' });
const key = (id: string, customerId: string | null = null): ApiKey => ({
  id,
  name: null,
  hint: 'phk_',
  scopes: ['read'],
  customerId,
  rateLimit: null,
  createdAt: new Date(0),
  lastUsedAt: null,
});

/** The far end, a table of keys that can be away; time stands still unless moved. */
class Table {
  readonly rows = new Map<string, ApiKey>();
  readonly uses: { id: string; usedAt: Date }[][] = [];
  reads = 0;
  concurrent = 0;
  concurrentMax = 0;
  isDown = false;
  /** Reads wait for it. */
  gate: Promise<void> | null = null;
  nowMs = 1_000_000;

  async findByHash(hash: Uint8Array): Promise<ApiKey | null> {
    this.reads++;
    this.concurrentMax = Math.max(this.concurrentMax, ++this.concurrent);
    const row = this.rows.get(Buffer.from(hash).toString('hex')) ?? null;
    await new Promise(setImmediate);
    if (this.gate) await this.gate;
    this.concurrent--;
    if (this.isDown) throw down;
    return row;
  }

  async touchLastUsed(uses: readonly { id: string; usedAt: Date }[]): Promise<void> {
    if (this.isDown) throw down;
    this.uses.push([...uses]);
  }

  put(text: string, row: ApiKey): Buffer {
    const hash = hashToken(text);
    this.rows.set(hash.toString('hex'), row);
    return hash;
  }
}

let table: Table;
let directory: ApiKeyDirectory;
let hash: Buffer;

beforeEach(() => {
  table = new Table();
  directory = createApiKeyDirectory({ apiKeys: table, clock: { nowMs: () => table.nowMs }, logger });
  hash = table.put('phk_known', key('k1', 'acme'));
});

describe('createApiKeyDirectory', () => {
  it('reads a key once, and again after ten seconds', async () => {
    expect(await directory.find(hash)).toMatchObject({ id: 'k1', customerId: 'acme', scopes: ['read'] });
    await directory.find(hash);
    expect(table.reads).toBe(1);
    table.nowMs += 10_001;
    await directory.find(hash);
    expect(table.reads).toBe(2);
  });

  it('remembers for a second that a key is unknown', async () => {
    const unknown = hashToken('phk_unknown');
    expect(await directory.find(unknown)).toBeNull();
    expect(await directory.find(unknown)).toBeNull();
    expect(table.reads).toBe(1);
    table.put('phk_unknown', key('k2'));
    table.nowMs += 1_001;
    expect(await directory.find(unknown)).toMatchObject({ id: 'k2' });
  });

  it('sees a revoked key at the announcement', async () => {
    await directory.find(hash);
    table.rows.clear();
    directory.onChange('api_key', 'other');
    expect(await directory.find(hash)).not.toBeNull();
    directory.onChange('api_key', 'k1');
    expect(await directory.find(hash)).toBeNull();
  });

  it('sees a new key at the announcement, though it was asked for before', async () => {
    const fresh = hashToken('phk_new');
    expect(await directory.find(fresh)).toBeNull();
    table.put('phk_new', key('k2'));
    directory.onChange('api_key', 'k2');
    expect(await directory.find(fresh)).toMatchObject({ id: 'k2' });
  });

  it('looks again at the keys of a customer that changed, such as one that is being erased', async () => {
    await directory.find(hash);
    table.rows.clear();
    directory.onChange('customer', 'acme');
    expect(await directory.find(hash)).toBeNull();
  });

  it('looks at everything again after a gap in the announcements', async () => {
    await directory.find(hash);
    table.rows.clear();
    directory.onGap();
    expect(await directory.find(hash)).toBeNull();
  });

  it('does not keep what was read before an announcement and arrived after it', async () => {
    const early = directory.find(hash);
    await Promise.resolve();
    await new Promise(setImmediate);
    table.rows.clear();
    directory.onChange('api_key', 'k1');
    await early;
    expect(await directory.find(hash)).toBeNull();
  });

  it('goes on with known keys while Postgres is away, and tells others to come back', async () => {
    await directory.find(hash);
    table.isDown = true;
    directory.onGap();
    table.nowMs += 60_000;
    expect(await directory.find(hash)).toMatchObject({ id: 'k1' });
    await expect(directory.find(hashToken('phk_other'))).rejects.toMatchObject({
      code: 'unavailable',
      headers: { 'Retry-After': '1' },
    });
  });

  it('does not trust a key reported as changed while Postgres is away', async () => {
    await directory.find(hash);
    directory.onChange('api_key', 'k1');
    table.isDown = true;
    await expect(directory.find(hash)).rejects.toMatchObject({ code: 'unavailable' });
  });

  it('asks once for a key that many ask for at the same time, and never floods the database', async () => {
    await Promise.all(Array.from({ length: 50 }, () => directory.find(hash)));
    expect(table.reads).toBe(1);
    await Promise.all(Array.from({ length: 100 }, (_, index) => directory.find(hashToken(`phk_${index}`))));
    expect(table.reads).toBe(101);
    expect(table.concurrentMax).toBeLessThanOrEqual(4);
  });

  it('serves a known key while it looks it up again, in the second half of its ten seconds', async () => {
    await directory.find(hash);
    let open: () => void = () => undefined;
    table.gate = new Promise((resolve) => (open = resolve));
    table.rows.clear();
    table.nowMs += 5_001;
    expect(await directory.find(hash)).toMatchObject({ id: 'k1' });
    expect(await directory.find(hash)).toMatchObject({ id: 'k1' });
    await new Promise(setImmediate);
    expect(table.reads).toBe(2);
    open();
    while (table.concurrent > 0) await new Promise(setImmediate);
    await new Promise(setImmediate);
    expect(await directory.find(hash)).toBeNull();
  });

  it('does not call a key good for longer than ten seconds after it was asked for', async () => {
    await directory.find(hash);
    let open: () => void = () => undefined;
    table.gate = new Promise((resolve) => (open = resolve));
    table.nowMs += 5_001;
    await directory.find(hash);
    await new Promise(setImmediate);
    table.rows.clear();
    table.nowMs += 5_000;
    const late = directory.find(hash);
    open();
    await late;
    table.nowMs += 5_000;
    expect(await directory.find(hash)).toBeNull();
  });

  it('tries a refresh that fails again a second later, and keeps the key meanwhile', async () => {
    await directory.find(hash);
    table.isDown = true;
    table.nowMs += 5_001;
    for (let round = 0; round < 3; round++) {
      await directory.find(hash);
      while (table.concurrent > 0) await new Promise(setImmediate);
      await new Promise(setImmediate);
    }
    expect(table.reads).toBe(2);
    table.nowMs += 1_000;
    expect(await directory.find(hash)).toMatchObject({ id: 'k1' });
    await new Promise(setImmediate);
    expect(table.reads).toBe(3);
  });

  it('does not keep a known key waiting behind a flood of invented ones', async () => {
    await directory.find(hash);
    directory.onGap();
    let answered = 0;
    const flood = Array.from({ length: 500 }, async (_, index) => {
      await directory.find(hashToken(`phk_${index}`));
      answered++;
    });
    expect(await directory.find(hash)).toMatchObject({ id: 'k1' });
    expect(answered).toBeLessThan(50);
    await Promise.all(flood);
  });

  it('refuses a revoked key after ten seconds, though nobody announced it and a flood overflows', async () => {
    await directory.find(hash);
    table.rows.clear();
    table.nowMs += 10_001;
    const flood = Array.from({ length: 2_000 }, (_, index) => directory.find(hashToken(`phk_${index}`)));
    const outcomes = Promise.allSettled(flood);
    expect(await directory.find(hash)).toBeNull();
    expect((await outcomes).some(({ status }) => status === 'rejected')).toBe(true);
  });

  it('does not let unknown keys push known ones out', async () => {
    await directory.find(hash);
    for (let round = 0; round < 11; round++) {
      await Promise.all(
        Array.from({ length: 1_000 }, (_, index) => directory.find(hashToken(`phk_${round}_${index}`))),
      );
    }
    const before = table.reads;
    await directory.find(hash);
    expect(table.reads).toBe(before);
  });

  it('writes the last use of each key at most once a minute, all in one statement', async () => {
    const second = table.put('phk_second', key('k2'));
    for (let use = 0; use < 3; use++) {
      await directory.find(hash);
      await directory.find(second);
      table.nowMs += 1;
    }
    await directory.close();
    expect(table.uses).toEqual([
      [
        { id: 'k1', usedAt: new Date(1_000_000) },
        { id: 'k2', usedAt: new Date(1_000_000) },
      ],
    ]);
    table.nowMs += 59_000;
    await directory.find(hash);
    await directory.close();
    expect(table.uses).toHaveLength(1);
    table.nowMs += 1_000;
    await directory.find(hash);
    await directory.close();
    expect(table.uses).toHaveLength(2);
  });

  it('survives that a last use cannot be written', async () => {
    await directory.find(hash);
    table.isDown = true;
    await expect(directory.close()).resolves.toBeUndefined();
  });
});
