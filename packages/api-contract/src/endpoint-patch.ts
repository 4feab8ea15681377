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
  const merged = mergePatch(withoutRenamedHeaders(current, patch), withAlgorithmOfNewScheme(current, patch));
  return validateValue(createEndpointBody, merged, { convert: false });
}

/** The algorithm belongs to its scheme: one that the patch does not name goes with the scheme that it replaces. */
function withAlgorithmOfNewScheme(current: EndpointSettings, patch: PatchEndpointBody): PatchEndpointBody {
  const { signing } = patch;
  if (!signing || signing.scheme === undefined || signing.scheme === current.signing.scheme) return patch;
  return { ...patch, signing: { algorithm: null, ...signing } };
}

/** Header names have no case: what the patch names is that header however it is stored, and is written as in the patch. */
function withoutRenamedHeaders(current: EndpointSettings, { headers }: PatchEndpointBody): EndpointSettings {
  if (!headers) return current;
  const named = new Set(Object.keys(headers).map((name) => name.toLowerCase()));
  const others = Object.entries(current.headers).filter(([name]) => !named.has(name.toLowerCase()));
  return { ...current, headers: Object.fromEntries(others) };
}
