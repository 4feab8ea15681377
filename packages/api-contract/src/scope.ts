/** What an API key may do. `admin` allows everything, the others included; no other scope includes another. */
export const scopes = ['events:write', 'deliveries:write', 'read', 'admin'] as const;

export type Scope = (typeof scopes)[number];
