export {
  createEventAcceptor,
  deliveriesWaitingMax,
  type AcceptLoad,
  type AcceptOutcome,
  type EventAcceptor,
  type EventToAccept,
} from './accept-event.js';
export {
  createOneShotAcceptor,
  type OneShotAcceptor,
  type OneShotOutcome,
  type OneShotToAccept,
} from './accept-one-shot.js';
export { createRouteCache, type RouteCache } from './route-cache.js';
export { sendTest, type TestDeps } from './send-test.js';
