import { buildOpenApi, operations } from '@posthorn/api-contract';
import { Router } from 'express';

import { sendResponse } from './http-response.js';
import { docsPage } from './docs/docs-page.js';
import { type ReadyCheck, runReadyChecks } from './ready-checks.js';

export interface OperationRouterOptions {
  checks: readonly ReadyCheck[];
  /** Shown in the OpenAPI document. */
  version?: string;
}

/** `/health`, `/ready`, `/openapi.json` and `/docs`: no key needed. Once per process. */
export function createOperationRouter({ checks, version }: OperationRouterOptions): Router {
  const openApi = buildOpenApi({ version });
  const openApiText = JSON.stringify(openApi);
  const docs = docsPage(openApi);
  const router = Router({ caseSensitive: true });

  router.get(operations.getHealth.path, (_request, response) => {
    response.setHeader('Cache-Control', 'no-store');
    sendResponse(response, { status: 200, body: { status: 'ok' } });
  });

  router.get(operations.getReady.path, async (_request, response) => {
    const ready = await runReadyChecks(checks);
    response.setHeader('Cache-Control', 'no-store');
    sendResponse(response, { status: ready.status === 'not_ready' ? 503 : 200, body: ready });
  });

  router.get(operations.getOpenApi.path, (_request, response) => {
    // Readers on other origins (editors, generators) may fetch the document.
    response.setHeader('Access-Control-Allow-Origin', '*');
    sendResponse(response, { status: 200, json: openApiText });
  });

  router.get(operations.getDocs.path, (_request, response) => {
    response.setHeader('Content-Security-Policy', docs.contentSecurityPolicy);
    response.setHeader('Content-Type', 'text/html; charset=utf-8');
    response.end(docs.html);
  });

  return router;
}
