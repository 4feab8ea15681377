import {
  countSealed,
  openDatabase,
  reencrypt,
  type Reencrypted,
  type SealedCount,
  sealedKinds,
} from '@posthorn/database';
import { encodeId } from '@posthorn/domain';
import { createLogger, createSecretBox, loadConfig, type Environment } from '@posthorn/runtime';

import { CommandError } from '../command-error.js';
import { print, printJson } from '../print.js';
import { postgresProblem } from '../postgres-problem.sql.js';
import { waitForServices, writeWaiting } from '../wait-for-services.js';

export interface ReencryptOptions {
  dryRun?: boolean;
  json?: boolean;
}

const UNREADABLE_SHOWN_MAX = 10;
/** One-shots of a month are read as a whole. */
const STATEMENT_TIMEOUT_MS = 600_000;

/**
 * Encrypts with the first of POSTHORN_ENCRYPTION_KEYS what the others have encrypted. Works on the database alone, while
 * the service runs. It can be stopped at any time, and the next run does the rest.
 */
export async function reencryptKeys(env: Environment, options: ReencryptOptions): Promise<void> {
  const { databaseUrl, encryptionKeys, startWaitSeconds } = loadConfig(env, { command: 'keys reencrypt' });
  await waitForServices({
    checks: [() => postgresProblem(databaseUrl)],
    waitSeconds: startWaitSeconds,
    onWaiting: writeWaiting,
  });
  const secretBox = createSecretBox(encryptionKeys);
  const logger = createLogger({ level: 'warn', role: 'reencrypt', destination: process.stderr });
  const { pool, close } = openDatabase({
    url: databaseUrl,
    poolMax: 2,
    statementTimeoutMs: STATEMENT_TIMEOUT_MS,
    logger,
  });
  try {
    const before = await countSealed(pool, secretBox);
    requireKeys(before);
    const keyId = secretBox.currentKeyId;
    if (options.dryRun) {
      printCounts(before, keyId, options);
      return;
    }
    const done = await reencrypt(pool, secretBox);
    const remaining = (await countSealed(pool, secretBox)).filter((count) => count.keyId !== keyId);
    printDone(done, remaining, keyId, options);
    requireNoneLeft(done, remaining, keyId);
  } finally {
    await close();
  }
}

/** Before anything is changed: with a key missing, the rest would give the impression that it can be removed. */
function requireKeys(counts: readonly SealedCount[]): void {
  const lines = counts
    .filter(({ problem }) => problem !== null)
    .map(
      (count) =>
        `POSTHORN_ENCRYPTION_KEYS does not have the key ${count.keyId} that ${words(count)} ` +
        `${isOne(count) ? 'is' : 'are'} encrypted with. ${count.problem?.message}`,
    );
  if (lines.length === 0) return;
  throw new CommandError([...lines, 'Nothing was changed. Add the missing keys after the first key.']);
}

function requireNoneLeft(
  { unreadable }: Reencrypted,
  remaining: readonly SealedCount[],
  keyId: string,
): void {
  const lines = unreadable
    .slice(0, UNREADABLE_SHOWN_MAX)
    .map((found) => `${nameOf(found)} cannot be opened. ${found.error.message}`);
  if (unreadable.length > UNREADABLE_SHOWN_MAX) {
    lines.push(`${unreadable.length - UNREADABLE_SHOWN_MAX} more cannot be opened.`);
  }
  if (remaining.length > 0 && unreadable.length === 0) {
    lines.push(
      ...remaining.map(
        (count) =>
          `${words(count)} ${isOne(count) ? 'was' : 'were'} encrypted with ${count.keyId} meanwhile.`,
      ),
      `A process still encrypts with another key: restart it with ${keyId} as the first key, then run this again.`,
    );
  }
  if (lines.length > 0) throw new CommandError(lines);
}

function printCounts(counts: readonly SealedCount[], keyId: string, { json }: ReencryptOptions): void {
  if (json) {
    printJson({ keyId, found: counts.map(({ kind, keyId: id, count }) => ({ kind, keyId: id, count })) });
    return;
  }
  if (counts.length === 0) print('Nothing is encrypted.\n');
  for (const count of counts) {
    print(`${count.keyId}${count.keyId === keyId ? ' (the first)' : ''}: ${words(count)}\n`);
  }
}

function printDone(
  { count, unreadable }: Reencrypted,
  remaining: readonly SealedCount[],
  keyId: string,
  { json }: ReencryptOptions,
): void {
  if (json) {
    const left = remaining.reduce((sum, { count: n }) => sum + n, 0);
    printJson({ keyId, reencrypted: count, unreadable: unreadable.length, remaining: left });
    return;
  }
  const done = sealedKinds.map((kind) => words({ kind, count: count[kind] }));
  print(`Re-encrypted with ${keyId}: ${done.join(', ')}.\n`);
  if (remaining.length === 0) {
    print(`Everything is encrypted with ${keyId}. You can remove the other keys.\n`);
  }
}

function isOne({ kind, count }: Pick<SealedCount, 'kind' | 'count'>): boolean {
  return count === 1 && kind !== 'endpointHeaders' && kind !== 'oneShotHeaders';
}

function words({ kind, count }: Pick<SealedCount, 'kind' | 'count'>): string {
  const s = count === 1 ? '' : 's';
  switch (kind) {
    case 'signingSecrets':
      return `${count} signing secret${s}`;
    case 'endpointHeaders':
      return `the headers of ${count} endpoint${s}`;
    case 'oneShotSecrets':
      return `${count} one-shot secret${s}`;
    case 'oneShotHeaders':
      return `the headers of ${count} one-shot${s}`;
    case 'keptAnswers':
      return `${count} stored response${s}`;
  }
}

function nameOf({ kind, ownerId }: Pick<Reencrypted['unreadable'][number], 'kind' | 'ownerId'>): string {
  switch (kind) {
    case 'signingSecrets':
      return `A signing secret of ${encodeId('ep', ownerId)}`;
    case 'endpointHeaders':
      return `The headers of ${encodeId('ep', ownerId)}`;
    case 'oneShotSecrets':
      return `A one-shot secret of ${ownerId}`;
    case 'oneShotHeaders':
      return `The headers of the one-shot ${encodeId('evt', ownerId)}`;
    case 'keptAnswers':
      return `A stored response of ${ownerId}`;
  }
}
