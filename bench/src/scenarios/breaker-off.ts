import { CircuitBreaker } from '@posthorn/queue';

/**
 * Loaded into a role before it starts (`--import`): its circuit breakers let everything start that an endpoint's budget
 * allows, and never open. What the breaker costs is measured against it; no setting does this.
 */
CircuitBreaker.prototype.opensAtMs = () => 0;
CircuitBreaker.prototype.mayStart = () => true;
CircuitBreaker.prototype.start = () => 0;
CircuitBreaker.prototype.end = () => null;
Object.defineProperty(CircuitBreaker.prototype, 'waitsFor', { get: () => null });
