/** A server could not be provided; the message says what the person at the keyboard can do about it. */
export class EmbeddedServiceError extends Error {
  override name = 'EmbeddedServiceError';
}
