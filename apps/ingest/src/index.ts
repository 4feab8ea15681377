export { startIngest, type Ingest, type StartIngestDeps } from './start-ingest.js';
