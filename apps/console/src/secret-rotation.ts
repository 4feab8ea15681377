import type { RotatedSecretResource } from '@posthorn/api-contract';
import { endpointSecretsMax } from '@posthorn/database';
import { isSigningSecret } from '@posthorn/domain';
import { AppError } from '@posthorn/http';

/** One that does not decode would fail every signature from now on. */
export function requireSigningSecret(secret: string): void {
  if (isSigningSecret(secret)) return;
  throw new AppError({
    code: 'invalid_request',
    detail: 'Some members of the body are missing, unknown or not valid.',
    errors: [
      {
        path: 'secret',
        message:
          '"secret" must be whsec_ and the base64 of 24 to 64 bytes, with its padding, such as whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw',
      },
    ],
  });
}

export function rotatedSecretResource({
  secret,
  createdAt,
  previousExpiresAt,
}: {
  secret: string;
  createdAt: Date;
  previousExpiresAt: Date | null;
}): RotatedSecretResource {
  return {
    secret,
    createdAt: createdAt.toISOString(),
    previousExpiresAt: previousExpiresAt?.toISOString() ?? null,
  };
}

export function tooManySecrets(owner: 'endpoint' | 'customer'): AppError {
  return new AppError({
    code: 'conflict',
    detail:
      `The ${owner} has ${endpointSecretsMax} secrets that still sign. ` +
      'Wait until one expires, or rotate with an overlap of 0, which leaves only the new one.',
  });
}
