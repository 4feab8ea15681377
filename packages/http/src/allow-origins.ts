import cors from 'cors';
import type { RequestHandler } from 'express';

/**
 * Lets pages of these origins call the API from a browser. Without credentials of the browser's own: a caller is known
 * by a header that a page has to set, so no page can borrow what the browser keeps for another.
 */
export function allowOrigins(origins: readonly string[]): RequestHandler {
  return cors({
    // A list: `Vary: Origin` is sent, and an origin that is not in it gets no header at all.
    origin: [...origins],
    methods: ['GET', 'PUT', 'POST', 'PATCH', 'DELETE'],
    allowedHeaders: ['Authorization', 'Content-Type', 'Idempotency-Key', 'Last-Event-ID', 'X-Request-Id'],
    exposedHeaders: ['Idempotent-Replayed', 'RateLimit', 'RateLimit-Policy', 'Retry-After', 'X-Request-Id'],
    maxAge: 600,
  });
}
