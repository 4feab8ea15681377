import type { ApiKeyStore } from '@posthorn/database';
import type { Logger } from '@posthorn/runtime';

/** Makes POSTHORN_ADMIN_KEY valid, unless it was revoked. */
export async function ensureAdminKey(
  adminKey: string | null,
  apiKeys: ApiKeyStore,
  logger: Logger,
): Promise<void> {
  if (adminKey === null) return;
  const outcome = await apiKeys.ensure(adminKey, { name: 'POSTHORN_ADMIN_KEY', scopes: ['admin'] });
  if (outcome !== 'revoked') return;
  logger.warn('admin_key.revoked', {
    problem:
      'POSTHORN_ADMIN_KEY is an API key that was revoked, so it is not valid. Set another one, or none.',
  });
}
