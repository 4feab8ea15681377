import {
  type DeliveryHeaderProblem,
  deliveryHeaderPatterns,
  deliveryHeaderProblems,
  deliveryHeadersLimits,
  repeatedHeaderNames,
} from '@posthorn/domain';
import type joi from 'joi';

import { documented, Joi } from './strict-joi.js';

/** What stands in place of a custom header's value wherever an endpoint or an attempt is shown. */
export const maskedHeaderValue = '********';

const { name, reservedName, value: valuePattern } = deliveryHeaderPatterns;
const names = { propertyNames: { pattern: name.source, not: { pattern: reservedName.source } } };
const headerValue = documented(Joi.string().allow(''), {
  pattern: valuePattern.source,
  not: { const: maskedHeaderValue },
});

const description =
  'Custom request headers by name. The case of names does not matter: each may be given once, and is sent as ' +
  'written. Hop-by-hop, framing and signing headers cannot be set. Values are stored encrypted and shown masked.';

/** A name that joi does not take is an empty one. */
export const emptyName = {
  'object.unknown': '{{#label}} is not allowed: a header has a name, such as X-Tenant',
};

export const deliveryHeaders = documented(
  Joi.object<Record<string, string>>()
    .pattern(Joi.string(), headerValue)
    .messages(emptyName)
    .max(deliveryHeadersLimits.countMax)
    .custom((value: Record<string, string>, helpers) => refuseProblems(value, helpers))
    .description(description),
  names,
);

/** For a merge patch: null takes a header out. */
export const deliveryHeadersPatch = documented(
  Joi.object<Record<string, string | null>>()
    .pattern(Joi.string(), headerValue.allow(null))
    .messages(emptyName)
    .custom((value: Record<string, string | null>, helpers) => {
      const repeated = repeatedHeaderNames(Object.keys(value));
      if (repeated.length > 0) return refuse(repeated, helpers);
      const set = Object.fromEntries(Object.entries(value).filter(isSet));
      const checked = refuseProblems(set, helpers);
      return checked === set ? value : checked;
    })
    .description(
      `${description} Null removes a header; a header named here replaces the stored one in whatever case.`,
    ),
  names,
);

/** The headers themselves when they may be set, otherwise joi's report. */
function refuseProblems(
  headers: Record<string, string>,
  helpers: joi.CustomHelpers,
): Record<string, string> | joi.ErrorReport {
  const masked = Object.keys(headers).find((name) => headers[name] === maskedHeaderValue);
  if (masked !== undefined) {
    return problem(
      helpers,
      `${JSON.stringify(masked)} has the masked value ${maskedHeaderValue}; leave the header out to keep the value that is set`,
    );
  }
  const problems = deliveryHeaderProblems(headers);
  return problems.length === 0 ? headers : refuse(problems, helpers);
}

function refuse(problems: readonly DeliveryHeaderProblem[], helpers: joi.CustomHelpers): joi.ErrorReport {
  return problem(
    helpers,
    problems
      .map(({ name, message }) => (name === null ? message : `${JSON.stringify(name)} ${message}`))
      .join('; '),
  );
}

/** As data of the template, so that a header name with braces is not read as one. */
function problem(helpers: joi.CustomHelpers, text: string): joi.ErrorReport {
  return helpers.message({ custom: '{{#label}}: {{#problems}}' }, { problems: text });
}

function isSet(entry: [string, string | null]): entry is [string, string] {
  return entry[1] !== null;
}
