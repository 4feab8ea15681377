import {
  customerIdPattern,
  decodeId,
  eventFilterPattern,
  eventTypeLengthMax,
  eventTypePattern,
  isEventFilter,
  isReservedEventType,
  producerEventTypePattern,
} from '@posthorn/domain';
import type joi from 'joi';

import { allowedForm } from './allowed-form.js';
import { documented, Joi, maxCharacters } from './strict-joi.js';

import { dateTimePattern, parseTimestamp } from './timestamp.js';

/** Prefixes of the TypeIDs that stand for our uuids at the HTTP edge. */
export const idPrefixes = {
  event: 'evt',
  delivery: 'dlv',
  endpoint: 'ep',
  apiKey: 'key',
  auditEntry: 'aud',
  replay: 'rpl',
  portalLink: 'plk',
} as const;

export type IdKind = keyof typeof idPrefixes;

export const customerId = allowedForm(
  Joi.string()
    .pattern(customerIdPattern)
    .max(64)
    .description('Id of a customer, chosen by the operator, such as `acme`.'),
  'must be 1 to 64 letters, digits, ".", "_" and "-", beginning with a letter or a digit, such as "acme"',
);

const eventTypeForm = `must be one or more names of letters, digits, "_" and "-", joined by dots, at most ${eventTypeLengthMax} characters, such as "invoice.paid"`;

export const eventType = allowedForm(
  Joi.string()
    .pattern(eventTypePattern)
    .max(eventTypeLengthMax)
    .description('Dot-separated name, such as `invoice.paid`.'),
  eventTypeForm,
);

/** Of what producers send and put into the catalogue. */
export const producerEventType = documented(
  allowedForm(
    Joi.string()
      .pattern(eventTypePattern)
      .max(eventTypeLengthMax)
      .custom((value: string, helpers) => (isReservedEventType(value) ? helpers.error('any.invalid') : value))
      .description(
        'Dot-separated name, such as `invoice.paid`. Names that begin with `posthorn.` are reserved.',
      ),
    eventTypeForm,
    (text) => (isReservedEventType(text) ? reservedEventType : null),
  ),
  { pattern: producerEventTypePattern.source },
);

const reservedEventType =
  'must not be "posthorn" or begin with "posthorn.", in upper or lower case: these types are reserved for the ' +
  'operational events that Posthorn itself sends; use another name, such as "acme.invoice.paid"';

export const eventFilter = documented(
  allowedForm(
    Joi.string()
      .max(eventTypeLengthMax)
      .custom((value: string, helpers) => (isEventFilter(value) ? value : helpers.error('any.invalid')))
      .description('An event type, a prefix such as `charge.*`, or `*`.'),
    'must be an event type such as "invoice.paid", a prefix such as "charge.*", or "*" for all',
  ),
  { pattern: eventFilterPattern.source },
);

const idNames: Readonly<Record<IdKind, string>> = {
  event: 'Id of an event.',
  delivery: 'Id of a delivery.',
  endpoint: 'Id of an endpoint.',
  apiKey: 'Id of an API key.',
  auditEntry: 'Id of an entry of the audit log.',
  replay: 'Id of a bulk replay.',
  portalLink: 'Id of a portal link.',
};

/** Gives the handler the uuid: TypeIDs do not get past the edge. */
export function idInput(kind: IdKind): joi.StringSchema {
  const prefix = idPrefixes[kind];
  return idText(kind).custom(
    (value: string, helpers) => decodeId(prefix, value) ?? helpers.error('any.invalid'),
  );
}

export function idText(kind: IdKind): joi.StringSchema {
  const prefix = idPrefixes[kind];
  return allowedForm(
    Joi.string()
      .pattern(new RegExp(`^${prefix}_[0-7][0-9a-hjkmnp-tv-z]{25}$`))
      .description(idNames[kind]),
    `must be the ${idNames[kind].replace('Id', 'id').replace('.', '')}: ${prefix}_ and 26 digits and small letters, such as ${prefix}_01h455vb4pex5vsknk084sn02q`,
  );
}

/** Free text that Postgres can keep: no NUL, no half surrogate pairs. */
export function text(lengthMax: number): joi.StringSchema {
  return documented(
    maxCharacters(Joi.string(), lengthMax)
      .custom((value: string, helpers) => (isStorable(value) ? value : helpers.error('text')))
      .message(
        '{{#label}} must not contain the character U+0000 or half of a surrogate pair; leave them out',
      ),
    { pattern: '^[^\\u0000\\p{Cs}]*$' },
  );
}

/** RFC 3339 with an offset; a handler gets milliseconds since the epoch. */
export function timestampInput(): joi.StringSchema {
  return allowedForm(
    Joi.string()
      .max(40)
      .pattern(dateTimePattern)
      .custom((value: string, helpers) => parseTimestamp(value) ?? helpers.error('any.invalid'))
      .description('ISO 8601 with an offset, such as `2026-01-31T12:00:00Z`.'),
    timestampForm,
    timestampReason,
  );
}

const timestampForm = 'must be an ISO 8601 time with an offset, such as 2026-01-31T12:00:00Z';

/** The mistakes that are easy to make and hard to see. */
function timestampReason(text: string): string | null {
  if (/T[\d:.]+ \d\d:\d\d$/i.test(text)) {
    return `${timestampForm}; it has a space before its offset: in a URL a + is a space, so write it as %2B, or use UTC and Z`;
  }
  if (/T[\d:.]+$/i.test(text)) return `${timestampForm}; its offset is missing: add Z for UTC`;
  if (/^\d{4}-\d{2}-\d{2}$/.test(text)) return `${timestampForm}; it has a date only`;
  if (/^\d{9,}$/.test(text)) return `${timestampForm}, and not a number of seconds or milliseconds`;
  if (dateTimePattern.test(text))
    return `${timestampForm}; there is no such day or hour between the years 0001 and 9999`;
  return null;
}

/** Bounds of a filter by time; `what` is the time that they bound. */
export function timeBounds(what: string): { since: joi.StringSchema; until: joi.StringSchema } {
  return {
    since: timestampInput().description(`${what} at this time or later: ISO 8601 with an offset.`),
    until: timestampInput().description(`${what} before this time.`),
  };
}

export const time = Joi.string().isoDate().description('ISO 8601, UTC.');

const rateLimitFields = {
  max: Joi.number().integer().min(1).max(1_000_000).description('Most requests in this time.'),
  perSeconds: Joi.number().integer().min(1).max(86_400).description('The time in seconds.'),
};

export const rateLimit = Joi.object<RateLimit>({
  max: rateLimitFields.max.required(),
  perSeconds: rateLimitFields.perSeconds.required(),
});

/** For a merge patch: whole once it is merged. */
export const rateLimitPatch = Joi.object<Partial<RateLimit>>(rateLimitFields);

export interface RateLimit {
  max: number;
  perSeconds: number;
}

export const maxInFlight = Joi.number().integer().min(1).max(10_000);

export const noParams = Joi.object<object>({});
export const noQuery = Joi.object<object>({});

function isStorable(value: string): boolean {
  return !value.includes('\0') && !/\p{Surrogate}/u.test(value);
}
