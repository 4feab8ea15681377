import { isLongerThan, parseUrl } from '@posthorn/domain';
import { isIP } from 'node:net';

import { type AddressPolicy, createAddressPolicy } from './address-policy.js';
import { isBlockedPort } from './blocked-ports.js';

export type TargetUrlProblem =
  | 'invalid_url'
  | 'url_too_long'
  | 'unsupported_scheme'
  | 'credentials_in_url'
  | 'port_refused'
  | 'address_refused';

export type TargetUrlCheck =
  | { readonly ok: true; readonly url: URL }
  | { readonly ok: false; readonly reason: TargetUrlProblem; readonly message: string };

/** The addresses of `localhost` and everything below it (RFC 6761 section 6.3); no name server is asked. */
const loopbackAddresses: readonly string[] = ['127.0.0.1', '::1'];

/**
 * What can be told of a target without resolving its name: used when an endpoint is created. A name is judged when
 * it is connected to, each time anew. Throws for an entry of `allowTargets` that is no CIDR range.
 */
export function checkTargetUrl(
  url: string,
  { allowTargets }: { allowTargets: readonly string[] },
): TargetUrlCheck {
  return checkTarget(url, createAddressPolicy(allowTargets));
}

export function checkTarget(text: string, policy: AddressPolicy): TargetUrlCheck {
  if (isLongerThan(text, urlLengthMax)) {
    return problem('url_too_long', `The URL is longer than ${urlLengthMax} characters.`);
  }
  const url = parseUrl(text);
  if (url === null)
    return problem('invalid_url', 'This is no absolute URL such as https://example.com/hooks.');
  if (url.protocol !== 'https:' && url.protocol !== 'http:') {
    return problem(
      'unsupported_scheme',
      'The URL must begin with https:// or http://, as in https://example.com/hooks.',
    );
  }
  if (url.username !== '' || url.password !== '' || emptyCredentials.test(text)) {
    return problem(
      'credentials_in_url',
      'The URL must not contain a user name or password; send credentials as a custom header such as Authorization.',
    );
  }
  if (isBlockedPort(url.port)) {
    return problem(
      'port_refused',
      `Port ${url.port} belongs to another protocol and is not delivered to; use 443, 80, or one above 1023 such as 8443.`,
    );
  }
  if (hasMalformedName(url)) {
    return problem(
      'invalid_url',
      'The host name has an empty part, or is too long: parts between dots have 1 to 63 characters, all of it 253, as in example.com.',
    );
  }
  if (knownAddresses(url.hostname)?.some((address) => policy.allows(address)) === false) {
    return problem('address_refused', 'The target is not a public address.');
  }
  return { ok: true, url };
}

/** The addresses a host names by itself: an IP literal or localhost. Null for a name that has to be resolved. */
export function knownAddresses(hostname: string): readonly string[] | null {
  const literal = hostname.startsWith('[') ? hostname.slice(1, -1) : hostname;
  if (isIP(literal) !== 0) return [literal];
  return /(^|\.)localhost\.?$/.test(hostname) ? loopbackAddresses : null;
}

const urlLengthMax = 2048;

/** `https://@host` and `https://:@host`: nothing of them is left in a parsed URL. */
const emptyCredentials = /^[^:]*:[/\\]*:?@/;

function hasMalformedName({ hostname }: URL): boolean {
  if (hostname.startsWith('[')) return false;
  const name = hostname.replace(/\.$/, '');
  return name.length > 253 || name.split('.').some((label) => label.length === 0 || label.length > 63);
}

function problem(reason: TargetUrlProblem, message: string): TargetUrlCheck {
  return { ok: false, reason, message };
}
