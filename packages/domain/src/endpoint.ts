/**
 * `registered`: made over the API, gets what its filters let through. The others are Posthorn's own and hidden.
 * `notification`: a customer's `notificationUrl`. `one_shot`: a URL that something was sent to without an endpoint.
 */
export type EndpointKind = 'registered' | 'notification' | 'one_shot';

/** Whom an event is fanned out to. */
export type Audience = Extract<EndpointKind, 'registered' | 'notification'>;

export const endpointStatuses = ['enabled', 'paused', 'disabled'] as const;
export type EndpointStatus = (typeof endpointStatuses)[number];

/** `gone`: the endpoint answered 410. `failing`: no attempt had been delivered for days. */
export type EndpointDisabledReason = 'gone' | 'failing';
