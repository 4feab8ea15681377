import type { EndpointSettings, PatchEndpointBody } from './endpoints.js';
import { createEndpointBody } from './endpoints.js';
import { mergePatch } from './merge-patch.js';
import { validateValue, type Validated } from './validate-value.js';

/**
 * The settings after a merge patch (RFC 7396), defaults in place of what the patch took out, checked as a whole:
 * two valid halves can make an invalid policy. `current` holds the real header values.
 */
export function patchEndpointSettings(
  current: EndpointSettings,
  patch: PatchEndpointBody,
): Validated<EndpointSettings> {
  return validateValue(createEndpointBody, mergePatch(current, patch), { convert: false });
}
