import { type AttemptErrorCode, attemptErrors } from '@posthorn/domain';

/** Why no socket was opened, on its way through undici, which knows only errors. */
export class ConnectFailure extends Error {
  override readonly name = 'ConnectFailure';

  constructor(
    readonly status: 'refused' | 'failed',
    readonly code: AttemptErrorCode,
    message: string = attemptErrors[code].meaning,
  ) {
    super(message);
  }
}
