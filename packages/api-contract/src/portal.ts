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

export const createPortalLinkBody = Joi.object<CreatePortalLinkBody>({
  expiresInSeconds: Joi.number()
    .integer()
    .min(30)
    .max(86_400)
    .default(linkSecondsDefault)
    .description('How long the link can be opened.'),
});

export const portalLinkResource = Joi.object<PortalLinkResource>({
  id: idText('portalLink')
    .required()
    .description('Names the link, and the session it becomes, in the audit log.'),
  url: Joi.string().required().description('With the token in the fragment, shown this once.'),
  expiresAt: time.required().description('Until when it can be opened.'),
});

export const openPortalSessionBody = Joi.object<OpenPortalSessionBody>({
  token: allowedForm(
    Joi.string()
      .pattern(/^phl_[A-Za-z0-9_-]{43}$/)
      .description('What follows `#token=` in the URL of the link.'),
    'must be what follows #token= in the URL of a portal link: phl_ and 43 letters, digits, "_" and "-"',
  ).required(),
});

export const portalSessionResource = Joi.object<PortalSessionResource>({
  customerId: customerId.required(),
  expiresAt: time.required(),
});

export const openedPortalSessionResource = portalSessionResource.append<OpenedPortalSessionResource>({
  token: Joi.string().required().description('The Bearer token of the session, `phs_…`, shown this once.'),
});
