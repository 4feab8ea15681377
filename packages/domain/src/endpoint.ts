export const endpointStatuses = ['enabled', 'paused', 'disabled'] as const;
export type EndpointStatus = (typeof endpointStatuses)[number];

export const signingSchemes = ['standard'] as const;
export type SigningScheme = (typeof signingSchemes)[number];

/** `gone`: the endpoint answered 410. */
export type EndpointDisabledReason = 'gone';
