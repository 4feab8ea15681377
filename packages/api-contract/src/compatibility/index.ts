export { buildOpenApi } from '../openapi.js';
export { breakingChanges } from './breaking-changes.js';
export { compatibilityProblems } from './declared-changes.js';
