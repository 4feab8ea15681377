export { createIngestRouter, type IngestRouterDeps } from './ingest-router.js';
export { createEventSchemas, type EventSchemas } from './event-schemas.js';
