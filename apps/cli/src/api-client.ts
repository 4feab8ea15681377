import type { ProblemDocument } from '@posthorn/api-contract';
import { got, RequestError } from 'got';

import type { ApiTarget } from './api-target.js';
import { CommandError } from './command-error.js';

export interface ApiRequest {
  method?: 'get' | 'post' | 'put' | 'patch' | 'delete';
  /** Left out of the URL where undefined. */
  query?: Readonly<Record<string, string | number | undefined>>;
  body?: unknown;
  /** JSON text that is sent as it is, for data whose numbers must not pass through JavaScript. Instead of `body`. */
  json?: string;
  headers?: Readonly<Record<string, string>>;
}

export interface ApiAnswer {
  status: number;
  /** Empty where the answer has no body. */
  text: string;
}

export interface ApiClient {
  /** The answer's JSON. Throws a CommandError for anything but success. */
  call<T>(path: string, request?: ApiRequest): Promise<T>;
  /** As `call`, but the text as received; `null` for 404. */
  find(path: string): Promise<string | null>;
}

export function createApiClient({ url, key }: ApiTarget): ApiClient {
  const send = async (path: string, request: ApiRequest = {}): Promise<ApiAnswer> => {
    const {
      method = 'get',
      query = {},
      body,
      json = body === undefined ? undefined : JSON.stringify(body),
    } = request;
    try {
      const response = await got(`${url}${path}`, {
        method,
        searchParams: Object.fromEntries(Object.entries(query).filter(([, value]) => value !== undefined)),
        headers: {
          authorization: `Bearer ${key}`,
          accept: 'application/json',
          ...(json !== undefined && { 'content-type': 'application/json' }),
          ...request.headers,
        },
        body: json,
        throwHttpErrors: false,
        followRedirect: false,
        retry: { limit: 0 },
        timeout: { connect: 5_000, request: 30_000 },
      });
      return { status: response.statusCode, text: response.body };
    } catch (error) {
      if (error instanceof RequestError) throw unreachable(url, error);
      throw error;
    }
  };
  return {
    async call<T>(path: string, request?: ApiRequest): Promise<T> {
      const { status, text } = await send(path, request);
      if (status < 200 || status > 299) throw refused(url, status, text);
      return parsed(url, text) as T;
    },
    async find(path) {
      const { status, text } = await send(path);
      if (status === 404) return null;
      if (status < 200 || status > 299) throw refused(url, status, text);
      return text;
    },
  };
}

function parsed(url: string, text: string): unknown {
  if (text === '') return null;
  try {
    return JSON.parse(text);
  } catch {
    throw new CommandError([`What answers at ${url} is not Posthorn: its answer is not JSON.`]);
  }
}

function unreachable(url: string, error: RequestError): CommandError {
  return new CommandError([lineFor(url, error)], { cause: error });
}

function lineFor(url: string, { code, message }: RequestError): string {
  if (code === 'ECONNREFUSED') {
    return `Nothing listens at ${url}: start Posthorn (npm start), or set another address with --url or POSTHORN_URL.`;
  }
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN') {
    return `The host of ${url} cannot be found: correct --url or POSTHORN_URL.`;
  }
  if (code === 'ECONNRESET' || code === 'EPIPE') return `${url} closes the connection without an answer.`;
  if (code === 'ETIMEDOUT') return `${url} does not answer in time.`;
  // OpenSSL's own words for an answer that is not TLS.
  if (url.startsWith('https:') && (code === 'EPROTO' || /wrong.version.number/i.test(message))) {
    return `What listens at ${url} does not speak https; is it ${url.replace('https:', 'http:')}?`;
  }
  return `${url} does not answer: ${message.replace(/\s+/g, ' ').replace(/[. ]+$/, '')}.`;
}

function refused(url: string, status: number, text: string): CommandError {
  const problem = problemIn(text);
  if (!problem) return new CommandError([`${url} answered ${status}; is it Posthorn?`]);
  const hint = problem.code === 'unauthorized' ? ' Set a valid key with --key or POSTHORN_API_KEY.' : '';
  return new CommandError([
    `${problem.status} ${problem.code}: ${problem.detail}${hint}`,
    ...(problem.errors ?? []).map(({ path, message }) => `- ${path ? `${path}: ` : ''}${message}`),
  ]);
}

function problemIn(text: string): ProblemDocument | null {
  try {
    const value = JSON.parse(text) as Partial<ProblemDocument> | null;
    return typeof value?.code === 'string' ? (value as ProblemDocument) : null;
  } catch {
    return null;
  }
}
