import {
  customerIdPattern,
  decodeId,
  eventTypeLengthMax,
  eventTypePattern,
  isEventFilter,
  isReservedEventType,
  producerEventTypePattern,
} from '@posthorn/domain';
import type joi from 'joi';

import { documented, Joi } from './strict-joi.js';

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

export const customerId = Joi.string()
  .pattern(customerIdPattern, 'customer id')
  .max(64)
  .description('Id of a customer, chosen by the operator.');

export const eventType = Joi.string()
  .pattern(eventTypePattern, 'event type')
  .max(eventTypeLengthMax)
  .description('Dot-separated name, such as `invoice.paid`.');

/** Of what producers send and put into the catalogue. */
export const producerEventType = documented(
  eventType
    .custom((value: string, helpers) => (isReservedEventType(value) ? helpers.error('eventType') : value))
    .message(
      '{{#label}} must not be "posthorn" or begin with "posthorn.", in any case: these types are kept for the operational ' +
        'events that Posthorn sends itself; take another name, such as "acme.invoice.paid"',
    )
    .description(
      'Dot-separated name, such as `invoice.paid`. Names that begin with `posthorn.` are Posthorn’s own.',
    ),
  { pattern: producerEventTypePattern.source },
);

export const eventFilter = Joi.string()
  .max(eventTypeLengthMax)
  .custom((value: string, helpers) => (isEventFilter(value) ? value : helpers.error('eventFilter')))
  .message('{{#label}} must be an event type, a prefix such as "charge.*", or "*"')
  .description('An event type, a prefix such as `charge.*`, or `*`.');

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
  return Joi.string()
    .pattern(new RegExp(`^${prefix}_[0-7][0-9a-hjkmnp-tv-z]{25}$`), `${prefix}_ id`)
    .description(idNames[kind]);
}

/** Free text that Postgres can keep: no NUL, no half surrogate pairs. */
export function text(lengthMax: number): joi.StringSchema {
  return Joi.string()
    .max(lengthMax)
    .custom((value: string, helpers) => (isStorable(value) ? value : helpers.error('text')))
    .message('{{#label}} must not contain NUL or unpaired surrogates');
}

/** RFC 3339 with an offset; a handler gets milliseconds since the epoch. */
export function timestampInput(): joi.StringSchema {
  return Joi.string()
    .max(40)
    .pattern(dateTimePattern, 'ISO 8601 time with an offset, such as 2026-01-31T12:00:00Z')
    .custom((value: string, helpers) => parseTimestamp(value) ?? helpers.error('any.invalid'))
    .description('ISO 8601 with an offset, such as `2026-01-31T12:00:00Z`.');
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
  max: Joi.number().integer().min(1).max(1_000_000).description('How many within the time.'),
  perSeconds: Joi.number().integer().min(1).max(86_400).description('The time, in seconds.'),
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

export const noParams = Joi.object<Record<string, never>>({});
export const noQuery = Joi.object<Record<string, never>>({});

function isStorable(value: string): boolean {
  return !value.includes('\0') && !/\p{Surrogate}/u.test(value);
}
