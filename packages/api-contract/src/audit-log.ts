import { allowedForm } from './allowed-form.js';
import { customerId, idInput, idText, time, timeBounds } from './fields.js';
import { pageFields, type PageQuery } from './page.js';
import { Joi } from './strict-joi.js';

/** `since` and `until` are milliseconds after validation. */
export interface ListAuditEntriesQuery extends PageQuery {
  customerId?: string;
  keyId?: string;
  portalLinkId?: string;
  operation?: string;
  since?: number;
  until?: number;
}

export interface AuditEntryResource {
  id: string;
  at: string;
  /** Who: either this or `portalLinkId`. */
  keyId: string | null;
  portalLinkId: string | null;
  operation: string;
  target: Record<string, string>;
  members: string[];
  customerId: string | null;
  requestId: string;
  address: string | null;
  userAgent: string | null;
}

export const listAuditEntriesQuery = Joi.object<ListAuditEntriesQuery, true>({
  ...pageFields,
  customerId,
  keyId: idInput('apiKey').description('Changes made with this API key.'),
  portalLinkId: idInput('portalLink').description('Changes made in sessions of this portal link.'),
  operation: allowedForm(
    Joi.string()
      .pattern(/^[A-Za-z]+$/)
      .max(64)
      .description('`operationId` of this document, such as `patchEndpoint`.'),
    'must be the operationId of an operation in /openapi.json, such as patchEndpoint',
  ),
  ...timeBounds('Changes made'),
});

export const auditEntryResource = Joi.object<AuditEntryResource, true>({
  id: idText('auditEntry').required(),
  at: time.required(),
  keyId: idText('apiKey')
    .allow(null)
    .required()
    .description('The API key of the request, which may be revoked since. Null for a portal session.'),
  portalLinkId: idText('portalLink')
    .allow(null)
    .required()
    .description(
      'The portal link of the session of the request, opened by someone of the customer `customerId`. The entry of ' +
        '`createPortalLink` says who created the link. Null for an API key.',
    ),
  operation: Joi.string().required().description('`operationId` of this document.'),
  target: Joi.object()
    .pattern(Joi.string(), Joi.string())
    .required()
    .description('Ids of what was changed or created, by name.'),
  members: Joi.array()
    .items(Joi.string())
    .required()
    .description('Names of the members in the request body, without values.'),
  customerId: customerId
    .allow(null)
    .required()
    .description('The customer whose data changed; null: no single customer.'),
  requestId: Joi.string().required().description('Id of the request that made the change.'),
  address: Joi.string().allow(null).required().description('Address of the caller.'),
  userAgent: Joi.string().allow(null, '').required().description('The User-Agent header of the caller.'),
});
