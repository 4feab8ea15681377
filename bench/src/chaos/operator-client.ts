const ANSWER_WITHIN_MS = 10_000;

export type OperatorAnswer<T> =
  | { kind: 'done'; body: T }
  | { kind: 'conflict' }
  /** 503, or no answer at all: a service or the console itself was away. */
  | { kind: 'unavailable' }
  | { kind: 'unexpected'; text: string };

export interface OperatorClient {
  call<T>(method: string, target: string, body?: object): Promise<OperatorAnswer<T>>;
}

/** Calls of the management API, their answers sorted by what a fault may excuse. */
export function createOperatorClient({ origin, apiKey }: { origin: string; apiKey: string }): OperatorClient {
  return {
    async call<T>(method: string, target: string, body?: object): Promise<OperatorAnswer<T>> {
      let response: Response;
      let text: string;
      try {
        response = await fetch(origin + target, {
          method,
          headers: {
            authorization: `Bearer ${apiKey}`,
            ...(body && { 'content-type': 'application/json' }),
          },
          body: body && JSON.stringify(body),
          signal: AbortSignal.timeout(ANSWER_WITHIN_MS),
        });
        text = await response.text();
      } catch {
        return { kind: 'unavailable' };
      }
      if (response.ok) return { kind: 'done', body: JSON.parse(text) as T };
      if (response.status === 409) return { kind: 'conflict' };
      if (response.status === 503) return { kind: 'unavailable' };
      return {
        kind: 'unexpected',
        text: `${method} ${target.replaceAll(/_[0-9a-z]{26}/g, '_…')}: ${response.status} ${text.slice(0, 200)}`,
      };
    },
  };
}
