import { isLongerThan, parseUrl } from '@posthorn/domain';

import { allowedForm } from './allowed-form.js';
import { Joi, maxCharacters } from './strict-joi.js';

const urlLengthMax = 2048;
const form =
  'must be an absolute URL that begins with https:// or http://, such as https://example.com/hooks';

/** As people write it: in any case, with names and paths in any script. What stands in the OpenAPI document. */
const urlPattern = /^[Hh][Tt][Tt][Pp][Ss]?:\/\/[^\s/?#\\][^\s\\]*$/;

/**
 * The form only; whether the target is allowed is the sender's to say (`422 unprocessable`). Stored and shown as written;
 * the sender reads it as browsers do, so the host is sent as punycode and the path percent-encoded.
 */
export const endpointUrl = allowedForm(
  maxCharacters(Joi.string(), urlLengthMax)
    .pattern(urlPattern)
    .custom((value: string, helpers) =>
      urlProblem(value) === null ? value : helpers.error('string.pattern.base'),
    )
    .description(
      'Absolute http or https URL, such as `https://example.com/hooks`. An internationalised host such as `müller.example` ' +
        'is kept as written and sent as punycode.',
    ),
  form,
  urlProblem,
);

/** What is wrong with the text, with the form that is allowed; null when it can be read as a target. */
function urlProblem(text: string): string | null {
  if (isLongerThan(text, urlLengthMax)) return `must have at most ${urlLengthMax} characters`;
  if (invisible.test(text)) return `has a space, a line break or an invisible character; ${writeEncoded}`;
  if (text.includes('\\')) return 'has a backslash; write / instead, or %5C where a backslash is meant';
  const scheme = /^([a-z][a-z\d+.-]*):/i.exec(text)?.[1]?.toLowerCase();
  if (scheme !== 'http' && scheme !== 'https') {
    const found =
      scheme === undefined || /^[^/]*:\d/.test(text) ? 'has no scheme' : `has the scheme ${scheme}`;
    return `${found}; it ${form}`;
  }
  if (!urlPattern.test(text)) return `has no host after "${scheme}:"; it ${form}`;
  if (parseUrl(text) === null) return `has a host or a port that cannot be used; ${hostForms}`;
  return null;
}

const hostForms =
  'hosts are names such as example.com or müller.example, IPv4 addresses, or IPv6 addresses such as [2001:db8::1]; ports are below 65536';
const writeEncoded = 'write it percent-encoded (%20), and a host that has one as punycode (xn--…)';

/** Controls, spaces of any kind, zero-width characters and marks of direction: what is shown would not be what is read. */
const invisible = /[\p{Cc}\p{Cf}\p{Z}\p{Cs}]/u;
