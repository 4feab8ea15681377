export { buildOpenApi } from '../../../packages/api-contract/src/openapi.js';
export { breakingChanges } from './breaking-changes.js';
export { compatibilityProblems } from './declared-changes.js';
