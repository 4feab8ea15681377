import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import path from 'node:path';
import {
  createCustomerStore,
  createEndpointStore,
  createIdempotentAnswerStore,
  type Database,
  type EndpointStore,
  ensurePartitions,
  type IdempotentAnswerStore,
  openDatabase,
} from '@posthorn/database';
import { createOneShotStore, type OneShotStore } from '@posthorn/delivery/attempt';
import { createUuidV7, generateSigningSecret } from '@posthorn/domain';
import { createLogger, createSecretBox, parseKeyring } from '@posthorn/runtime';
import { createTestDatabase, type TestDatabase, waitUntil } from '@posthorn/testing';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';

const main = path.resolve(import.meta.dirname, '../main.ts');
const typescript = path.resolve(import.meta.dirname, '../../../../scripts/typescript-source.mjs');
const newKey = (id: string) => `${id}:${randomBytes(32).toString('base64')}`;
const k1 = newKey('k1');
const k2 = newKey('k2');
const headers = { Authorization: 'Bearer open-sesame' };

let testDatabase: TestDatabase;
let database: Database;

beforeAll(async () => {
  testDatabase = await createTestDatabase();
  const logger = createLogger({ level: 'silent', role: 'test' });
  database = openDatabase({ url: testDatabase.url, poolMax: 5, logger });
  await ensurePartitions(database.pool, { nowMs: Date.now() });
});
afterAll(async () => {
  await database.close();
  await testDatabase.drop();
});
beforeEach(async () => {
  await database.pool.query('TRUNCATE customer, one_shot, idempotent_answer CASCADE');
  await createCustomerStore(database).put('acme', {
    name: null,
    metadata: null,
    notificationUrl: null,
    maxInFlight: null,
    rateLimit: null,
    maxEndpoints: null,
  });
});

describe('posthorn keys reencrypt', () => {
  it('encrypts everything with the first key and says how much that was, then finds nothing left to do', async () => {
    const before = store(k1);
    const made = [await add(before), await add(before), await add(before, {})];
    const rotated = await before.rotateSecret(made[0]!.id, { overlapSeconds: 3600 });
    if (rotated.kind !== 'rotated') throw new Error(rotated.kind);
    const updatedAt = async () =>
      (await database.pool.query('SELECT id, updated_at FROM endpoint ORDER BY id')).rows as unknown[];
    const untouched = await updatedAt();

    const counted = await run(`${k2},${k1}`, '--dry-run');
    expect(counted).toEqual({
      code: 0,
      said: 'k1: 4 signing secrets\nk1: the headers of 2 endpoints\n',
      complaint: '',
    });
    expect(await run(`${k2},${k1}`)).toEqual({
      code: 0,
      said:
        'Re-encrypted with k2: 4 signing secrets, the headers of 2 endpoints, 0 one-shot secrets, the headers of 0 one-shots, 0 stored responses.\n' +
        'Everything is encrypted with k2. You can remove the other keys.\n',
      complaint: '',
    });

    const after = store(k2);
    const ids = made.map(({ id }) => id);
    const read = await after.readForDelivery(ids);
    const secretsOf = (id: string) => {
      const found = read.get(id);
      return found?.kind === 'ready' ? found.endpoint.secrets.map(({ value }) => value) : found;
    };
    expect(secretsOf(ids[0]!)).toEqual([rotated.secret, made[0]!.secret]);
    expect(secretsOf(ids[1]!)).toEqual([made[1]!.secret]);
    expect(read.get(ids[1]!)).toMatchObject({ endpoint: { headers } });
    expect(await updatedAt()).toEqual(untouched);
    expect((await store(k1).readForDelivery(ids)).get(ids[0]!)).toMatchObject({ kind: 'unreadable' });

    const again = await run(`${k2},${k1}`, '--json');
    expect(JSON.parse(again.said)).toEqual({
      keyId: 'k2',
      reencrypted: {
        signingSecrets: 0,
        endpointHeaders: 0,
        oneShotSecrets: 0,
        oneShotHeaders: 0,
        keptAnswers: 0,
      },
      unreadable: 0,
      remaining: 0,
    });
  });

  it('covers the secrets and headers of one-shots, those of other days too', async () => {
    const before = oneShots(k1);
    const after = oneShots(k2);
    const lanes = await before.ensureLanes([{ customerId: 'acme', origin: 'https://acme.example' }]);
    const laneId = lanes.get('acme')?.[0]?.id ?? '';
    const days = [0, 1].map((day) => createUuidV7(Date.now() - day * 86_400_000));
    for (const eventId of days) {
      await database.pool.query(
        "INSERT INTO one_shot (id, delivery_id, url, headers_sealed, open_for_ms) VALUES ($1, $1, 'https://acme.example/', $2, 1)",
        [eventId, Buffer.from(before.sealHeaders(eventId, headers) ?? [])],
      );
    }
    expect((await run(`${k2},${k1}`, '--dry-run')).said).toBe(
      'k1: 1 one-shot secret\nk1: the headers of 2 one-shots\n',
    );
    expect((await run(`${k2},${k1}`)).said).toContain('1 one-shot secret, the headers of 2 one-shots');
    const read = await after.readForDelivery(days);
    for (const eventId of days)
      expect(read.get(eventId)).toMatchObject({ kind: 'ready', target: { headers } });
    expect((await store(k2).readForDelivery([laneId])).get(laneId)).toMatchObject({
      kind: 'ready',
      endpoint: { secrets: [{ expiresAt: null }] },
    });
    expect((await store(k1).readForDelivery([laneId])).get(laneId)).toMatchObject({ kind: 'unreadable' });
  });

  it('covers the answers kept for repeated requests', async () => {
    const asked = {
      callerId: createUuidV7(Date.now()),
      key: 'once',
      fingerprint: ['rotate'],
      customerId: 'acme',
    };
    const work = () => Promise.resolve('the first answer');
    expect(await answers(k1).answerOnce(asked, work)).toMatchObject({ kind: 'first' });
    expect((await run(`${k2},${k1}`, '--dry-run')).said).toBe('k1: 1 stored response\n');
    expect((await run(`${k2},${k1}`)).said).toContain('the headers of 0 one-shots, 1 stored response');
    expect(await answers(k2).answerOnce(asked, work)).toEqual({ kind: 'repeat', value: 'the first answer' });
    await expect(answers(k1).answerOnce(asked, work)).rejects.toThrow('k2');
  });

  it('refuses to start when a key is missing or is another one, and names it', async () => {
    const { id } = await add(store(k1));
    await add(store(k1), {});
    const missing = await run(k2);
    expect(missing).toMatchObject({ code: 1, said: '' });
    expect(missing.complaint.split('\n')).toEqual([
      'POSTHORN_ENCRYPTION_KEYS does not have the key k1 that 2 signing secrets are encrypted with. Sealed with key k1, which the keyring does not have.',
      'POSTHORN_ENCRYPTION_KEYS does not have the key k1 that the headers of 1 endpoint are encrypted with. Sealed with key k1, which the keyring does not have.',
      'Nothing was changed. Add the missing keys after the first key.',
    ]);
    const other = await run(`${k2},${newKey('k1')}`);
    expect(other.code).toBe(1);
    expect(other.complaint).toContain('does not have the key k1 that 2 signing secrets');
    expect((await store(k1).readForDelivery([id])).get(id)).toMatchObject({ kind: 'ready' });
  });

  it('says what it needs', async () => {
    const { code, complaint } = await run('', '--dry-run');
    expect(code).toBe(1);
    expect(complaint).toContain('POSTHORN_ENCRYPTION_KEYS is required by "posthorn keys reencrypt"');
  });

  it('goes on with the rest after it was killed half-way', async () => {
    const ids = await addMany(700);
    // Holds the second batch up: by then the first is done.
    const holder = await database.pool.connect();
    await holder.query('BEGIN');
    await holder.query(
      'SELECT FROM endpoint_secret WHERE id = (SELECT id FROM endpoint_secret ORDER BY id DESC LIMIT 1) FOR UPDATE',
    );
    const killed = start(`${k2},${k1}`);
    await waitUntil(async () => (await countOf('k2')) > 0, { timeoutMs: 60_000 });
    expect(await countOf('k2')).toBe(500);
    killed.child.kill('SIGKILL');
    expect((await killed.ended).said).toBe('');
    await holder.query('ROLLBACK');
    holder.release();

    expect((await run(`${k2},${k1}`)).said).toContain('Re-encrypted with k2: 200 signing secrets');
    const read = await store(k2).readForDelivery(ids);
    expect(ids.filter((id) => read.get(id)?.kind !== 'ready')).toEqual([]);
  }, 120_000);

  it('leaves a value to whoever changes it meanwhile, and says when that was with another key', async () => {
    const { id, secret } = await add(store(k1), {});
    const holder = await database.pool.connect();
    await holder.query('BEGIN');
    await holder.query('SELECT FROM endpoint_secret FOR UPDATE');
    const running = start(`${k2},${k1}`);
    await waitUntil(
      async () => {
        const { rowCount } = await database.pool.query(
          `SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`,
        );
        return rowCount === 1;
      },
      { timeoutMs: 60_000 },
    );
    const newer = createSecretBox(keysOf(k1)).seal(secret, `endpoint:${id}:secret`);
    await holder.query('UPDATE endpoint_secret SET sealed = $1 WHERE endpoint_id = $2', [newer, id]);
    await holder.query('COMMIT');
    holder.release();

    const { code, said, complaint } = await running.ended;
    expect(code).toBe(1);
    expect(said).toContain('Re-encrypted with k2: 0 signing secrets');
    expect(complaint).toBe(
      '1 signing secret was encrypted with k1 meanwhile.\n' +
        'A process still encrypts with another key: restart it with k2 as the first key, then run this again.',
    );
    expect((await run(`${k2},${k1}`)).code).toBe(0);
  });
});

const keysOf = (text: string) => {
  const parsed = parseKeyring(text);
  if (!parsed.ok) throw new Error(parsed.problem);
  return parsed.keys;
};

function store(keys: string): EndpointStore {
  const { prisma, clock } = database;
  return createEndpointStore({ prisma, secretBox: createSecretBox(keysOf(keys)), clock });
}

function answers(keys: string): IdempotentAnswerStore {
  const { prisma } = database;
  return createIdempotentAnswerStore({ prisma, secretBox: createSecretBox(keysOf(keys)) });
}

function oneShots(keys: string): OneShotStore {
  return createOneShotStore({ ...database, secretBox: createSecretBox(keysOf(keys)) });
}

async function add(
  endpoints: EndpointStore,
  customHeaders: Record<string, string> = headers,
): Promise<{ id: string; secret: string }> {
  const outcome = await endpoints.create('acme', {
    url: 'https://acme.example/',
    eventTypes: ['*'],
    description: null,
    headers: customHeaders,
    signing: { scheme: 'standard' },
    retryPolicy: null,
    maxInFlight: null,
    rateLimit: null,
  });
  if (outcome.kind !== 'created') throw new Error(outcome.kind);
  return { id: outcome.endpoint.id, secret: outcome.secret };
}

/** The same, sealed with k1 and without custom headers, by the hundred. */
async function addMany(count: number): Promise<string[]> {
  const secretBox = createSecretBox(keysOf(k1));
  const ids = Array.from({ length: count }, () => createUuidV7(Date.now()));
  await database.pool.query(
    `INSERT INTO endpoint (id, customer_id, url, event_types)
     SELECT id, 'acme', 'https://acme.example/', '{*}' FROM unnest($1::uuid[]) AS id`,
    [ids],
  );
  const sealed = ids.map((id) => secretBox.seal(generateSigningSecret(), `endpoint:${id}:secret`));
  await database.pool.query(
    'INSERT INTO endpoint_secret (id, endpoint_id, sealed) SELECT id, id, sealed FROM unnest($1::uuid[], $2::bytea[]) AS a (id, sealed)',
    [ids, sealed],
  );
  return ids;
}

async function countOf(keyId: string): Promise<number> {
  const { rowCount } = await database.pool.query(
    `SELECT FROM endpoint_secret WHERE position($1::bytea IN sealed) = 3`,
    [Buffer.from(keyId)],
  );
  return rowCount ?? 0;
}

interface Ended {
  code: number | null;
  said: string;
  complaint: string;
}

const run = (keys: string, ...args: string[]): Promise<Ended> => start(keys, ...args).ended;

function start(keys: string, ...args: string[]) {
  const all = ['--import', typescript, main, 'keys', 'reencrypt', ...args];
  const env = { DATABASE_URL: testDatabase.url, POSTHORN_ENCRYPTION_KEYS: keys };
  let child!: ReturnType<typeof execFile>;
  const ended = new Promise<Ended>((resolve) => {
    child = execFile(process.execPath, all, { env }, (_error, said, complaint) => {
      resolve({ code: child.exitCode, said, complaint: complaint.trim() });
    });
  });
  return { child, ended };
}
