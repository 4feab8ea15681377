export { createIngestRouter, type IngestRouterDeps } from './ingest-router.js';
export { createEventSchemas, type EventSchemas } from './event-schemas.js';
export { createOverloadGuard, type OverloadGuard, type OverloadGuardDeps } from './overload-guard.js';
export { overloadLimits, type OverloadLimits } from './overload-limits.js';
export { refuseWhenOverloaded } from './refuse-when-overloaded.js';
