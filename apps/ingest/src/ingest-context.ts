import type { EventAcceptor, OneShotAcceptor } from '@posthorn/delivery/accept';
import type { CheckTargetUrl } from '@posthorn/http';
import type { Logger } from '@posthorn/runtime';

import type { EventSchemas } from './event-schemas.js';
import type { OverloadGuard } from './overload-guard.js';

/** What the handlers work with. */
export interface IngestContext {
  acceptor: Pick<EventAcceptor, 'accept'>;
  schemas: Pick<EventSchemas, 'check'>;
  oneShots: Pick<OneShotAcceptor, 'accept'>;
  checkTargetUrl: CheckTargetUrl;
  overload: OverloadGuard;
  logger: Logger;
  payloadBytesMax: number;
  batchBytesMax: number;
}
