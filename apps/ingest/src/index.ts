export { createIngestRouter, type IngestRouterDeps } from './ingest-router.js';
