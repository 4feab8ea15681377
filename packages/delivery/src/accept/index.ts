export { createEventAcceptor, type AcceptOutcome, type EventAcceptor } from './accept-event.js';
export { deliveriesWaitingMax, type AcceptLoad } from './accept-load.js';
export { createOneShotAcceptor, type OneShotAcceptor, type OneShotOutcome } from './accept-one-shot.js';
export type { EventToAccept, OneShotToAccept } from './event-to-accept.js';
export { createRouteCache, type RouteCache } from './route-cache.js';
export { sendTest, type TestDeps } from './send-test.js';
