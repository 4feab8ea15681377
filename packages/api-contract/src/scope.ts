/** What an API key may do. `admin` allows everything, the other two included. */
export const scopes = ['events:write', 'read', 'admin'] as const;

export type Scope = (typeof scopes)[number];

export function allows(granted: readonly Scope[], required: Scope): boolean {
  return granted.includes(required) || granted.includes('admin');
}
