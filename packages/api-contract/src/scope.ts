/** What an API key may do. `admin` allows everything, the other two included. */
export const scopes = ['events:write', 'read', 'admin'] as const;

export type Scope = (typeof scopes)[number];
