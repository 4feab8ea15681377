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

export const listAuditEntriesQuery = Joi.object<ListAuditEntriesQuery>({
  ...pageFields,
  customerId,
  keyId: idInput('apiKey').description('Who made the change.'),
  portalLinkId: idInput('portalLink').description('By which portal link came who made the change.'),
  operation: allowedForm(
    Joi.string()
      .pattern(/^[A-Za-z]+$/)
      .max(64)
      .description('`operationId` of this document, such as `patchEndpoint`.'),
    'must be the operationId of an operation in /openapi.json, such as patchEndpoint',
  ),
  ...timeBounds('Changes made'),
});

export const auditEntryResource = Joi.object<AuditEntryResource>({
  id: idText('auditEntry').required(),
  at: time.required(),
  keyId: idText('apiKey')
    .allow(null)
    .required()
    .description('The API key that asked; it may be revoked by now. Null: it was a portal session.'),
  portalLinkId: idText('portalLink')
    .allow(null)
    .required()
    .description(
      'The portal link of the session that asked, which was someone of the customer `customerId`; ' +
        'the entry of `createPortalLink` says who made the link. Null: it was an API key.',
    ),
  operation: Joi.string().required().description('`operationId` of this document.'),
  target: Joi.object()
    .pattern(Joi.string(), Joi.string())
    .required()
    .description('Ids of what was changed or made, by their names.'),
  members: Joi.array()
    .items(Joi.string())
    .required()
    .description('Names of the members of the request’s body, without their values.'),
  customerId: customerId
    .allow(null)
    .required()
    .description('Whose data; null: of no customer in particular.'),
  requestId: Joi.string().required().description('Of the request that made it.'),
  address: Joi.string().allow(null).required().description('The caller’s address.'),
  userAgent: Joi.string().allow(null, '').required().description('As the caller names itself.'),
});
