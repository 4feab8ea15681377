import { installedPostgres, startEmbeddedPostgres, type EmbeddedPostgres } from '@posthorn/embedded';

/** The Postgres that is measured: the embedded one, or what POSTHORN_TEST_POSTGRES names. */
export function startBenchPostgres(options: { dataDir: string; port?: number }): Promise<EmbeddedPostgres> {
  const programs = installedPostgres(process.env['POSTHORN_TEST_POSTGRES']);
  return startEmbeddedPostgres({ ...options, programs });
}
