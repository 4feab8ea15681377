import { allowedForm } from './allowed-form.js';
import { customerId, idText, time } from './fields.js';
import { Joi } from './strict-joi.js';

export interface CreatePortalLinkBody {
  expiresInSeconds: number;
}

export interface PortalLinkResource {
  id: string;
  /** Holds the token in its fragment, which browsers do not send to servers. Shown this once. */
  url: string;
  expiresAt: string;
}

export interface OpenPortalSessionBody {
  token: string;
}

export interface PortalSessionResource {
  customerId: string;
  expiresAt: string;
}

export interface OpenedPortalSessionResource extends PortalSessionResource {
  /** Shown this once. */
  token: string;
}

const linkSecondsDefault = 900;

export const createPortalLinkBody = Joi.object<CreatePortalLinkBody, true>({
  expiresInSeconds: Joi.number()
    .integer()
    .min(30)
    .max(86_400)
    .default(linkSecondsDefault)
    .description('How long the link can be used.'),
});

export const portalLinkResource = Joi.object<PortalLinkResource, true>({
  id: idText('portalLink')
    .required()
    .description('Id of the link in the audit log, also for the session that it opens.'),
  url: Joi.string()
    .required()
    .description('URL with the token in its fragment, shown only in this response.'),
  expiresAt: time.required().description('The link can be used until this time.'),
});

export const openPortalSessionBody = Joi.object<OpenPortalSessionBody, true>({
  token: allowedForm(
    Joi.string()
      .pattern(/^phl_[A-Za-z0-9_-]{43}$/)
      .description('The text after `#token=` in the URL of the link.'),
    'must be the text after #token= in the URL of a portal link: phl_ and 43 letters, digits, "_" and "-"',
  ).required(),
});

export const portalSessionResource = Joi.object<PortalSessionResource, true>({
  customerId: customerId.required(),
  expiresAt: time.required(),
});

export const openedPortalSessionResource = portalSessionResource.append<OpenedPortalSessionResource>({
  token: Joi.string()
    .required()
    .description('The Bearer token of the session, `phs_…`, shown only in this response.'),
});
