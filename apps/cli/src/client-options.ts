/** The options of every command that talks to a running Posthorn. */
export interface ClientOptions {
  url?: string;
  key?: string;
  json?: boolean;
}

export interface PageOptions extends ClientOptions {
  limit: number;
  cursor?: string;
}
