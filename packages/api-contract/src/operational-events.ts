import { type OperationalEventType, replayStates } from '@posthorn/domain';
import type joi from 'joi';
import { Joi } from './strict-joi.js';

import { customerId, idText, time } from './fields.js';

interface OperationalEvent {
  summary: string;
  description: string;
  data: joi.ObjectSchema;
}

const count = Joi.number().integer().min(0).required();
const about = { customerId: customerId.required() };
const aboutEndpoint = { ...about, endpointId: idText('endpoint').required() };

/** What Posthorn sends about its own work, by event type: the `data` of each. */
export const operationalEvents: Readonly<Record<OperationalEventType, OperationalEvent>> = {
  'posthorn.delivery.exhausted': {
    summary: 'Deliveries became dead letters',
    description:
      'They are not retried any more. At most one event per endpoint, reason and minute: `deliveries` is the number ' +
      'since the last event.',
    data: Joi.object({
      ...aboutEndpoint,
      reason: Joi.string()
        .required()
        .description(
          '`attempts_exhausted`, `expired`, `expired_by_breaker`, `expired_by_rate_limit` or `gone`.',
        ),
      deliveries: count,
      deliveryIds: Joi.array().items(idText('delivery')).required().description('Ids of the first ten.'),
      lastAt: time.required().description('When the last of them ended.'),
    }),
  },
  'posthorn.endpoint.failing': {
    summary: 'All attempts of an endpoint have failed for some time',
    description: 'Sent once, until the endpoint has recovered.',
    data: Joi.object({
      ...aboutEndpoint,
      failingSince: time.required().description('When the first of these attempts started.'),
      lastAttemptAt: time.required(),
      disabledAt: time
        .allow(null)
        .required()
        .description('After this time the next failed attempt disables it; null if it is never disabled.'),
    }),
  },
  'posthorn.endpoint.disabled': {
    summary: 'An endpoint was disabled',
    description: 'Its deliveries are held until it is enabled.',
    data: Joi.object({
      ...aboutEndpoint,
      reason: Joi.string().required().description('`failing`, or `gone`: it responded with 410.'),
    }),
  },
  'posthorn.endpoint.recovered': {
    summary: 'An endpoint has recovered',
    description: 'An attempt was delivered after `failing`, or it was enabled after `disabled`.',
    data: Joi.object({
      ...aboutEndpoint,
      because: Joi.string().valid('delivered', 'enabled').required(),
    }),
  },
  'posthorn.replay.finished': {
    summary: 'A bulk replay ended',
    description: 'It was completed or cancelled.',
    data: Joi.object({
      ...about,
      replayId: idText('replay').required(),
      state: Joi.string()
        .valid(...replayStates.filter((state) => state === 'completed' || state === 'cancelled'))
        .required(),
      matched: count,
      done: count,
      failed: count,
    }),
  },
};

export const operationalEventTypes = Object.keys(operationalEvents) as OperationalEventType[];

/** The body of a request that carries an event of this type. */
export function operationalEventBody(type: OperationalEventType): joi.ObjectSchema {
  return Joi.object({
    id: idText('event').required(),
    type: Joi.string().valid(type).required(),
    timestamp: time.required(),
    data: operationalEvents[type].data.required(),
  });
}
