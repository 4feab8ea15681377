export { createUuidV7, decodeId, encodeId, firstUuidAt, lastUuidAt, uuidTimeMs } from './ids.js';
export { deliveryIdOf } from './delivery-id.js';
export type { DeliveryRef } from './delivery-ref.js';
export {
  customerIdPattern,
  eventTypeLengthMax,
  eventTypePattern,
  isCustomerId,
  isEventType,
  isReservedEventType,
  producerEventTypePattern,
} from './identifiers.js';
export { isEventFilter, eventFilterPattern } from './event-filter.js';
export { parseUrl } from './parse-url.js';
export { fanOut, openingStatus } from './fan-out.js';
export {
  type Audience,
  type EndpointDisabledReason,
  type EndpointKind,
  type EndpointStatus,
  endpointStatuses,
} from './endpoint.js';
export {
  type AttemptStatus,
  attemptStatuses,
  type AttemptTrigger,
  attemptTriggers,
  testType,
  type DeadLetterReason,
  type DeliveryStatus,
  deliveryStatuses,
  isFinished,
  type WaitingFor,
  waitingForReasons,
} from './delivery.js';
export { type ReplayableStatus, replayableStatuses, type ReplayState, replayStates } from './replay.js';
export {
  attemptError,
  type AttemptErrorCode,
  type AttemptErrorKind,
  attemptErrors,
  type AttemptStep,
} from './attempt-errors.js';
export type { AttemptError, AttemptFacts, AttemptOutcome, RecordedOutcome } from './attempt-outcome.js';
export {
  parkedMaxMs,
  resolveRetryPolicy,
  type RetryPolicy,
  type RetryPolicyInput,
  retryDelayMs,
  retryPolicyLimits,
  retryPolicyProblem,
  type RetryPreset,
  retryPresets,
  retrySpanMs,
} from './retry-policy.js';
export { laneOf, type OneShotLane, oneShotLanesMax, oneShotType, originOf, serves } from './one-shot.js';
export { buildEnvelope, type EnvelopeParts } from './event-envelope.js';
export { readTopLevelElements, readTopLevelMembers } from './json-source.js';
export { decideNextStep, type NextStep, type NextStepInput } from './next-step.js';
export { generateSigningSecret, isSigningSecret, signingSecretPattern } from './signing-secret.js';
export { type Signing, type SigningScheme, signingSchemes, signRequest, verifyRequest } from './signing.js';
export { type DigestAlgorithm, digestAlgorithms } from './digest-signature.js';
export type { SignatureInput } from './signature-input.js';
export {
  type SignatureProblem,
  signatureProblems,
  type Verification,
  type VerificationInput,
} from './signature-check.js';
export {
  type DeliveryHeaderProblem,
  deliveryHeaderPatterns,
  deliveryHeaderProblems,
  deliveryHeadersLimits,
  repeatedHeaderNames,
  reservedHeaderProblem,
} from './delivery-headers.js';
export { type BreakerState, breakerStateAt, breakerStates, type StoredBreaker } from './breaker-state.js';
export {
  type EndpointHealth,
  type EndpointHolds,
  nextHealthScore,
  pausedUntil,
  HEALTHY,
  waitingForOf,
} from './endpoint-health.js';
export { type HealthSignal, signalFromOutcome } from './health-signal.js';
export type { RateLimit } from './rate-limit.js';
export {
  type Notice,
  operationalEventData,
  type OperationalEventType,
  operatorCustomerId,
} from './operational-events.js';
export { type AttemptsSeen, type Failing, type FailingNews, nextFailing } from './failing-endpoint.js';
export { latencyBounds, latencyPercentile } from './latency-histogram.js';
export { isLongerThan } from './text-length.js';
