import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import Joi from 'joi';
import { keyringForm, parseKeyring } from './keyring.js';

/** What a variable's text may be, as joi turns it into a value, and in words that follow "must be". */
export interface AcceptedValue {
  schema: Joi.Schema;
  accepted: string;
}

export function wholeNumber(min: number, max: number, unit: string): AcceptedValue {
  return {
    schema: Joi.number().integer().min(min).max(max),
    accepted: `a whole number of ${unit} from ${min} to ${max}`,
  };
}

export function oneOf(choices: readonly string[]): AcceptedValue {
  return { schema: Joi.valid(...choices), accepted: `one of ${choices.join(', ')}` };
}

export function matching(pattern: RegExp, accepted: string): AcceptedValue {
  return { schema: Joi.string().pattern(pattern), accepted };
}

/** Not shown when refused: service addresses carry passwords. */
export function serviceUrl(schemes: readonly string[], example: string): AcceptedValue {
  return {
    schema: checked((text) => {
      const url = parsedUrl(text);
      if (!url) return { detail: 'it cannot be read; percent-encode special characters in its password' };
      for (const name of certificateParameters) {
        const file = url.searchParams.get(name);
        const problem = file === null ? null : pemFileProblem(file);
        if (problem !== null) return { detail: `its ${name} ${problem}` };
      }
      const schemaProblem = schemaNameProblem(url.searchParams.get('schema') ?? '');
      if (schemaProblem !== null) return { detail: `its schema ${schemaProblem}` };
      // Postgres on a Unix socket names it in the query.
      const hasHost = url.host !== '' || url.searchParams.has('host');
      return schemes.includes(url.protocol.slice(0, -1)) && hasHost ? { value: text } : {};
    }),
    accepted: `an address like ${example}`,
  };
}

/** What Postgres refuses, or cuts off, where the name is used. */
function schemaNameProblem(name: string): string | null {
  if (Buffer.byteLength(name) > 63) return 'has more than 63 bytes, which is the most that Postgres takes';
  if (name.startsWith('pg_')) return "begins with pg_, which is for Postgres' own";
  return name.includes('\0') ? 'has a character that Postgres does not take' : null;
}

/** Certificates only: Node warns about a file that it cannot use, and starts without it. */
export const certificateFile: AcceptedValue = {
  schema: checked((text) => {
    const problem = pemFileProblem(text) ?? certificatesProblem(readFileSync(text, 'latin1'));
    return problem === null ? { value: text } : { detail: `${JSON.stringify(text)} ${problem}` };
  }),
  accepted: 'a file with certificates in PEM form',
};

export const publicUrl: AcceptedValue = {
  schema: checked((text) => {
    const url = parsedUrl(text);
    if (url?.protocol !== 'http:' && url?.protocol !== 'https:') return {};
    if (url.username || url.password || url.search || url.hash) return {};
    return { value: url.href.replace(/\/$/, '') };
  }),
  accepted: 'an http or https address without credentials, query or fragment',
};

/** Both families; a bare address is that one address. */
export const cidrList: AcceptedValue = {
  schema: list(cidrOf),
  accepted: 'address ranges separated by commas, such as 10.0.0.0/8,fd00::/8',
};

/** As browsers send them. */
export const originList: AcceptedValue = {
  schema: list(originOf),
  accepted: 'origins separated by commas, such as https://app.example.com,http://localhost:3000',
};

export const dnsServerList: AcceptedValue = {
  schema: list((text) => (isDnsServer(text) ? text : null)),
  accepted:
    'addresses separated by commas, each with a port if it is not 53, such as 10.0.0.2,[fd00::2]:5353',
};

export const keyring: AcceptedValue = {
  schema: checked((text) => {
    const parsed = parseKeyring(text);
    return parsed.ok ? { value: parsed.keys } : { detail: parsed.problem };
  }),
  accepted: keyringForm,
};

/** A value, or nothing with the reason why it was refused when there is more to say than what is accepted. */
type Checked = { value: unknown } | { value?: never; detail?: string };

function checked(check: (text: string) => Checked): Joi.Schema {
  return Joi.string().custom((text: string, helpers) => {
    const result = check(text);
    return 'value' in result ? result.value : helpers.error('any.invalid', { detail: result.detail });
  });
}

/** Of a Postgres URL, as libpq has them. */
const certificateParameters = ['sslrootcert', 'sslcert', 'sslkey'];

function pemFileProblem(file: string): string | null {
  try {
    return readFileSync(file, 'latin1').includes('-----BEGIN ') ? null : 'holds nothing in PEM form';
  } catch (error) {
    return `cannot be read (${(error as NodeJS.ErrnoException).code ?? 'unknown'})`;
  }
}

function certificatesProblem(pem: string): string | null {
  const certificates = pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
  if (certificates.length === 0) return 'holds no certificate';
  const unreadable = certificates.findIndex((text) => !isCertificate(text));
  return unreadable === -1 ? null : `has a certificate that cannot be read (the ${unreadable + 1}. in it)`;
}

function isCertificate(pem: string): boolean {
  try {
    new X509Certificate(pem);
    return true;
  } catch {
    return false;
  }
}

function parsedUrl(text: string): URL | null {
  try {
    return new URL(text);
  } catch {
    return null;
  }
}

function list(read: (text: string) => string | null): Joi.Schema {
  return checked((text) => {
    const value: string[] = [];
    for (const entry of text.split(',').map((part) => part.trim())) {
      const item = read(entry);
      if (item === null) return { detail: `${JSON.stringify(entry)} is not one` };
      if (!value.includes(item)) value.push(item);
    }
    return { value };
  });
}

function cidrOf(text: string): string | null {
  const [, address = '', prefix] = /^([0-9A-Fa-f:.]+)(?:\/(\d{1,3}))?$/.exec(text) ?? [];
  const family = isIP(address);
  if (family === 0) return null;
  const bits = family === 4 ? 32 : 128;
  return Number(prefix ?? bits) <= bits ? `${address}/${Number(prefix ?? bits)}` : null;
}

function originOf(text: string): string | null {
  const url = parsedUrl(text);
  const isWeb = url?.protocol === 'http:' || url?.protocol === 'https:';
  return url && isWeb && url.href === `${url.origin}/` ? url.origin : null;
}

function isDnsServer(text: string): boolean {
  if (isIP(text) !== 0) return true;
  const [, address = '', port] = /^\[?([^\]]+?)\]?:(\d{1,5})$/.exec(text) ?? [];
  const family = isIP(address);
  const portFits = Number(port) >= 1 && Number(port) <= 65535;
  return portFits && (text.startsWith('[') ? family === 6 : family === 4);
}
