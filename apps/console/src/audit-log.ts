import { type AuditEntryResource, idPrefixes, operations } from '@posthorn/api-contract';
import type { AuditEntry, AuditStore } from '@posthorn/database';
import { encodeId } from '@posthorn/domain';
import { mountOperation } from '@posthorn/http';
import type { RequestHandler, Router } from 'express';
import { idCursor, pageResource, readCursor } from './cursor.js';

export interface AuditLogDeps {
  authentication: RequestHandler;
  audit: AuditStore;
}

const cursorForm = idCursor('audit-log');

export function mountAuditLog(router: Router, { authentication, audit }: AuditLogDeps): void {
  mountOperation(router, operations.listAuditEntries, authentication, async ({ query }) => {
    const { limit, cursor, since, until, customerId, keyId, portalLinkId, operation } = query;
    const before = readCursor(cursorForm, cursor);
    const page = await audit.list({
      limit,
      before,
      customerId,
      keyId,
      portalLinkId,
      operation,
      sinceMs: since,
      untilMs: until,
    });
    return { status: 200, body: pageResource(cursorForm, page, auditEntryResource) };
  });
}

function auditEntryResource({
  id,
  at,
  keyId,
  portalLinkId,
  members,
  ...entry
}: AuditEntry): AuditEntryResource {
  return {
    ...entry,
    id: encodeId(idPrefixes.auditEntry, id),
    at: at.toISOString(),
    keyId: keyId && encodeId(idPrefixes.apiKey, keyId),
    portalLinkId: portalLinkId && encodeId(idPrefixes.portalLink, portalLinkId),
    members: [...members],
  };
}
