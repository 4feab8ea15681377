import formats from 'ajv-formats';

/** Whether a value has the format; what a format says nothing about has it. Formats that are unknown say nothing. */
export function formatCheck(name: string): (value: unknown) => boolean {
  if (!isFormatName(name)) return () => true;
  const format = own.get(name) ?? formats.default.get(name);
  if (typeof format === 'function') return (value) => typeof value !== 'string' || format(value);
  if (format instanceof RegExp) return (value) => typeof value !== 'string' || format.test(value);
  if (typeof format !== 'object' || format.async === true) return () => true;
  const { type = 'string', validate } = format;
  const fits = validate instanceof RegExp ? (value: unknown) => validate.test(String(value)) : validate;
  return (value) => typeof value !== type || (fits as (value: unknown) => boolean)(value);
}

type FormatName = Parameters<typeof formats.default.get>[0];

/** Those of ajv-formats; its own look-up would find `constructor` too. */
const names = [
  'date',
  'time',
  'date-time',
  'iso-time',
  'iso-date-time',
  'duration',
  'uri',
  'uri-reference',
  'uri-template',
  'url',
  'email',
  'hostname',
  'ipv4',
  'ipv6',
  'regex',
  'uuid',
  'json-pointer',
  'json-pointer-uri-fragment',
  'relative-json-pointer',
  'byte',
  'int32',
  'int64',
  'float',
  'double',
  'password',
  'binary',
] as const satisfies readonly FormatName[];

function isFormatName(name: string): name is FormatName {
  return (names as readonly string[]).includes(name);
}

/** Where ajv-formats has it otherwise than the standard. */
const own = new Map<FormatName, RegExp | ((text: string) => boolean)>([
  ['uuid', /^[\da-f]{8}(?:-[\da-f]{4}){3}-[\da-f]{12}$/i],
  // Units that follow each other, as in the grammar of RFC 3339, appendix A.
  [
    'duration',
    /^P(?:\d+W|(?=[\dT])(?:\d+Y(?:\d+M(?:\d+D)?)?|\d+M(?:\d+D)?|\d+D)?(?:T(?:\d+H(?:\d+M(?:\d+S)?)?|\d+M(?:\d+S)?|\d+S))?)$/,
  ],
  ['hostname', (text) => !text.endsWith('.') && validator('hostname')(text)],
  ['date-time', (text) => !/[+-]\d{2}$/.test(text) && validator('date-time')(text)],
  // What stands before an @ could be divided in two in as many ways as it has characters.
  ['url', linearUrl(formats.default.get('url') as RegExp)],
]);

function validator(name: FormatName): (text: string) => boolean {
  const format = formats.default.get(name);
  if (format instanceof RegExp) return (text) => format.test(text);
  return (format as { validate: (text: string) => boolean }).validate;
}

function linearUrl({ source, flags }: RegExp): RegExp {
  return new RegExp(source.replace(String.raw`\S+(?::\S*)?@`, String.raw`\S+@`), flags);
}
