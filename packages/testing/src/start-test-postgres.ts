import {
  installedPostgres,
  startEmbeddedPostgres,
  type EmbeddedPostgres,
  type EmbeddedPostgresOptions,
} from '@posthorn/embedded';

/** The Postgres that the tests run on: the embedded one, or what POSTHORN_TEST_POSTGRES names. */
export function startTestPostgres(
  options: Omit<EmbeddedPostgresOptions, 'programs'> = {},
): Promise<EmbeddedPostgres> {
  const programs = installedPostgres(process.env['POSTHORN_TEST_POSTGRES']);
  return startEmbeddedPostgres({ ...options, programs });
}
