export { AppError, type AppErrorFacts, notFound, unavailable } from './app-error.js';
export { type HttpResponse, sendResponse } from './http-response.js';
export {
  type ApiKeyDirectory,
  type ApiKeyDirectoryDeps,
  createApiKeyDirectory,
  type KnownApiKey,
} from './api-key-directory.js';
export { type AuditTrail, createAuditTrail } from './audit-trail.js';
export { throttleAnonymous, authenticate } from './authenticate.js';
export { authenticateOperator } from './authenticate-operator.js';
export { type Caller, customerFilter, mayAccess, requireCustomer } from './caller.js';
export { createHttpApp, type HttpAppOptions } from './create-http-app.js';
export { createHttpServer, type HttpServer, type HttpServerOptions } from './http-server.js';
export { createIdentities, type Identities, unauthorized } from './identities.js';
export { createFailedAttempts, type FailedAttempts } from './limits/failed-attempts.js';
export { createRateLimiter, type Limit } from './limits/rate-limiter.js';
export { createRedisWindowCounter } from './limits/redis-window-counter.js';
export { createRequestLimits, type RequestLimits } from './limits/request-limits.js';
export type { WindowCounter } from './limits/window-counter.js';
export { readIdempotencyKey } from './idempotency-key.js';
export { createOperationRouter, type OperationRouterOptions } from './operation-router.js';
export type { ReadyCheck, ReadyCheckResult } from './ready-checks.js';
export {
  mountOpenOperation,
  mountOperation,
  type OperationHandler,
  type OperationRequest,
} from './mount-operation.js';
export { permissionCheck } from './permission-check.js';
export { parseJson, readJsonText, type ReadJsonOptions } from './read-json-text.js';
export { createPortalSessionDirectory, type PortalSessionDirectory } from './portal-session-directory.js';
export { requestIdFor } from './request-id.js';
export { type CheckTargetUrl, requireTarget } from './target-check.js';
export { sendProblem } from './send-problem.js';
