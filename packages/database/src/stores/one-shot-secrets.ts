import { createUuidV7, generateSigningSecret } from '@posthorn/domain';
import type { Clock, SecretBox } from '@posthorn/runtime';
import type pg from 'pg';

import type { Transaction } from '../database.js';
import type { PrismaClient } from '../generated/client.js';
import { currentFirst, endpointSecretsMax, liveSecrets, type SecretDescription } from './endpoint-record.js';
import { lockCustomer } from './lock-customer.js';
import { sealOneShotSecret } from './sealed-one-shot.js';

export type RotateOneShotSecretOutcome =
  | { kind: 'rotated'; secret: string; createdAt: Date; previousExpiresAt: Date | null }
  | { kind: 'unknown_customer' }
  | { kind: 'too_many_secrets' };

export interface OneShotSecrets {
  /** Those that sign, without values, the current one first; none before the customer's first one-shot. */
  list(customerId: string): Promise<SecretDescription[]>;
  /**
   * Makes a new secret, which this answer alone shows. The one so far, if any, signs along for `overlapSeconds`. Refused
   * when more than `endpointSecretsMax` would sign. In the transaction given, or one of its own.
   */
  rotate(
    customerId: string,
    rotation: { overlapSeconds: number; secret?: string },
    tx?: Transaction,
  ): Promise<RotateOneShotSecretOutcome>;
}

export interface OneShotSecretsDeps {
  prisma: PrismaClient;
  secretBox: SecretBox;
  clock: Clock;
}

/** What signs a customer's one-shots, whatever their URLs. */
export function createOneShotSecrets({ prisma, secretBox, clock }: OneShotSecretsDeps): OneShotSecrets {
  return {
    async list(customerId) {
      const { where } = liveSecrets(clock.nowMs());
      const rows = await prisma.oneShotSecret.findMany({ where: { customerId, ...where } });
      return currentFirst(rows).map(({ createdAt, expiresAt }) => ({ createdAt, expiresAt }));
    },

    rotate(customerId, { overlapSeconds, secret = generateSigningSecret() }, given) {
      const rotate = async (tx: Transaction): Promise<RotateOneShotSecretOutcome> => {
        if (!(await lockCustomer(tx, customerId))) return { kind: 'unknown_customer' };
        const nowMs = clock.nowMs();
        const signing = await tx.oneShotSecret.count({ where: { customerId, ...liveSecrets(nowMs).where } });
        if (overlapSeconds > 0 && signing >= endpointSecretsMax) return { kind: 'too_many_secrets' };
        const previousExpiresAt = await retire(tx, customerId, overlapSeconds, nowMs);
        const { createdAt } = await tx.oneShotSecret.create({
          data: newSecret(customerId, secret, secretBox, nowMs),
        });
        return { kind: 'rotated', secret, createdAt, previousExpiresAt };
      };
      return given ? rotate(given) : prisma.$transaction(rotate);
    },
  };
}

/** For customers' first one-shots. Nobody sees these: whoever wants to verify rotates, which shows the next. */
export async function addMissingSecrets(
  client: pg.PoolClient,
  customerIds: readonly string[],
  secretBox: SecretBox,
  nowMs: number,
): Promise<void> {
  const { rows } = await client.query<{ id: string }>(
    `SELECT id FROM customer c
      WHERE id = ANY ($1)
        AND NOT EXISTS (SELECT FROM one_shot_secret s WHERE s.customer_id = c.id AND s.expires_at IS NULL)`,
    [customerIds],
  );
  if (rows.length === 0) return;
  const made = rows.map(({ id }) => newSecret(id, generateSigningSecret(), secretBox, nowMs));
  await client.query(
    `INSERT INTO one_shot_secret (id, customer_id, sealed)
     SELECT * FROM unnest($1::uuid[], $2::text[], $3::bytea[])`,
    [
      made.map(({ id }) => id),
      made.map(({ customerId }) => customerId),
      made.map(({ sealed }) => Buffer.from(sealed)),
    ],
  );
}

/** What no longer signs is deleted: a secret at rest is only a risk. */
async function retire(
  tx: Transaction,
  customerId: string,
  overlapSeconds: number,
  nowMs: number,
): Promise<Date | null> {
  if (overlapSeconds === 0) {
    await tx.oneShotSecret.deleteMany({ where: { customerId } });
    return null;
  }
  await tx.oneShotSecret.deleteMany({ where: { customerId, expiresAt: { lte: new Date(nowMs) } } });
  const expiresAt = new Date(nowMs + overlapSeconds * 1000);
  const { count } = await tx.oneShotSecret.updateMany({
    where: { customerId, expiresAt: null },
    data: { expiresAt },
  });
  return count > 0 ? expiresAt : null;
}

function newSecret(customerId: string, secret: string, secretBox: SecretBox, nowMs: number) {
  return { id: createUuidV7(nowMs), customerId, sealed: sealOneShotSecret(secretBox, customerId, secret) };
}
