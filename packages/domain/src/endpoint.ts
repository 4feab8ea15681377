export const endpointStatuses = ['enabled', 'paused', 'disabled'] as const;
export type EndpointStatus = (typeof endpointStatuses)[number];

/** `gone`: the endpoint answered 410. */
export type EndpointDisabledReason = 'gone';
