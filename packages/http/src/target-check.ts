import { AppError } from './app-error.js';

/** The sender's own check, as far as it can tell without resolving names; it checks again when it connects. */
export type CheckTargetUrl = (url: string) => { ok: true } | { ok: false; message: string };

/** Throws `unprocessable` for a URL nothing will be sent to. `path` is the field it came in. */
export function requireTarget(checkTargetUrl: CheckTargetUrl, url: string, path: string): void {
  const check = checkTargetUrl(url);
  if (check.ok) return;
  throw new AppError({
    code: 'unprocessable',
    detail: 'The URL is refused as a target.',
    errors: [{ path, message: check.message }],
  });
}
