import { AppError } from './app-error.js';
import type { Caller } from './caller.js';

/** The sender's own check, as far as it can tell without resolving names; it checks again when it connects. */
export type CheckTargetUrl = (url: string) => { ok: true } | { ok: false; reason: string; message: string };

/**
 * Throws `unprocessable` for a URL nothing will be sent to. `path` is the field it came in. Whoever has an API key is told
 * the setting that allows private addresses; people in the portal cannot set it, and are sent to the operator.
 */
export function requireTarget(
  checkTargetUrl: CheckTargetUrl,
  url: string,
  path: string,
  caller: Caller,
): void {
  const check = checkTargetUrl(url);
  if (check.ok) return;
  const message =
    check.reason === 'address_refused' ? `${check.message} ${privateNote(caller)}` : check.message;
  throw new AppError({
    code: 'unprocessable',
    detail: 'Posthorn does not send to this URL.',
    errors: [{ path, message }],
  });
}

function privateNote({ kind }: Caller): string {
  return kind === 'portal'
    ? 'Use a server that is reachable from the internet, or contact the operator of this service.'
    : 'The operator can allow private addresses with POSTHORN_ALLOW_TARGETS, such as 10.0.0.0/8.';
}
