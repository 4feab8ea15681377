import type { AttemptErrorCode } from '@posthorn/domain';

/** Why a response cannot be read, on its way through the socket and undici, which know only errors. */
export class ResponseFailure extends Error {
  override readonly name = 'ResponseFailure';

  constructor(readonly code: AttemptErrorCode) {
    super(code);
  }
}
