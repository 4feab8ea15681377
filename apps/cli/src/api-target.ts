import { parseUrl } from '@posthorn/domain';
import { loadConfig, type Environment } from '@posthorn/runtime';

import { storedAdminKey } from './admin-key.js';
import type { ClientOptions } from './client-options.js';
import { CommandError } from './command-error.js';
import { storedUrl } from './stored-url.js';

export interface ApiTarget {
  /** Without a slash at its end. */
  url: string;
  key: string;
}

/**
 * Which Posthorn a client command talks to, and as whom: the options, else POSTHORN_URL and POSTHORN_API_KEY, else the
 * `dev` of the data folder. The stored key is sent only to the address where it listens; POSTHORN_ADMIN_KEY is sent to
 * this machine only.
 */
export async function apiTarget(options: ClientOptions, env: Environment): Promise<ApiTarget> {
  const config = loadConfig(env, { command: 'client' });
  const { dataDir, port, adminKey } = config;
  const dev = await storedUrl(dataDir);
  const named = options.url || config.clientUrl;
  const url = named ? parsedUrl(named) : (dev ?? new URL(`http://127.0.0.1:${port || 8080}`));

  const isOfDev = dev !== null && url.origin === asWritten(dev, url).origin;
  const key =
    options.key ||
    config.clientKey ||
    (isThisMachine(url) ? adminKey : null) ||
    (isOfDev ? await storedAdminKey(dataDir) : null);
  if (!key) throw new CommandError([keyNeeded(dataDir, named ? url : dev)]);
  return { url: (isOfDev ? dev : url).href.replace(/\/$/, ''), key };
}

function keyNeeded(dataDir: string, url: URL | null): string {
  return url
    ? `An API key for ${url.origin} is needed: set it with --key or POSTHORN_API_KEY.`
    : `No Posthorn runs in the data folder ${dataDir}: start it there (npm start), or set --url and --key.`;
}

function parsedUrl(text: string): URL {
  const url = parseUrl(text);
  if (url?.protocol === 'http:' || url?.protocol === 'https:') return url;
  throw new CommandError([`The URL must be like http://127.0.0.1:8080; it is ${JSON.stringify(text)}.`]);
}

/** `localhost` may be written for the address that `dev` listens on; the request is then sent to that address. */
function asWritten(dev: URL, { hostname }: URL): URL {
  const written = new URL(dev);
  if (hostname === 'localhost' && isThisMachine(dev)) written.hostname = hostname;
  return written;
}

function isThisMachine({ hostname }: URL): boolean {
  return hostname === 'localhost' || hostname === '[::1]' || /^127(\.\d+){3}$/.test(hostname);
}
